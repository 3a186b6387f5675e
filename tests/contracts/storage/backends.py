"""The adapters that the contract suite runs against.

A backend whose server is absent is skipped with its reason, unless ``FLOWORCH_REQUIRE`` (names with commas between
them) asks for it: then the tests fail. To add one, append to :data:`BACKENDS`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.storage.memory import MemoryStorage
from floworch.storage.sql import SqlStorage
from floworch.storage.sql.dialects.postgresql import PostgresqlDialect
from floworch.storage.sql.dialects.sqlite import SqliteDialect
from tests.servers import postgresql

__all__ = ["BACKENDS", "WAYS", "Backend", "is_required"]


class Backend(ABC):
    """One database of a test. ``make`` may be called again for another store on the same database."""

    name: str
    variant: str = ""

    @classmethod
    def why_absent(cls) -> str | None:
        """Why tests cannot run here; None when they can."""
        return None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def application_url(self) -> sa.URL:
        """Of the database, for connections that are not the store's."""
        raise NotImplementedError(f"{self.name} has no database")

    def count_leases_on_clock(self) -> None:
        """Let leases run out when the test moves the clock, where they would be counted on the database's own."""
        return

    @abstractmethod
    def make(self, clock: Clock) -> Storage: ...

    def drop(self) -> None:
        """Remove what the test left."""
        return


class Memory(Backend):
    name = "memory"

    def make(self, clock: Clock) -> Storage:
        return MemoryStorage(clock)


class Sqlite(Backend):
    name = "sqlite"

    @property
    def application_url(self) -> sa.URL:
        return sa.URL.create("sqlite", database=str(self.folder / "contract.db"))

    def make(self, clock: Clock) -> Storage:
        return SqlStorage.sqlite(self.folder / "contract.db", clock=clock, synchronous="OFF")


class SqliteOnThreads(Sqlite):
    """As where another process holds the lock: commits go over threads, as everything else does."""

    variant = "-on-threads"

    def make(self, clock: Clock) -> Storage:
        dialect = SqliteDialect(synchronous="OFF", commits_on_loop=False)
        return SqlStorage(self.application_url, clock=clock, dialect=dialect)


class Postgresql(Backend):
    """Each test has a schema of its own in the database of its process."""

    name = "postgresql"

    @classmethod
    def why_absent(cls) -> str | None:
        return postgresql.why_absent()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = postgresql.shared_server()
        self.schema = f"floworch_{uuid4().hex}"
        self.dialect = PostgresqlDialect(schema=self.schema)

    def count_leases_on_clock(self) -> None:
        self.dialect = PostgresqlDialect(schema=self.schema, leases_on_database_clock=False)

    @property
    def application_url(self) -> sa.URL:
        return self.url.set(drivername="postgresql+psycopg")

    def make(self, clock: Clock) -> Storage:
        return SqlStorage(self.url, clock=clock, dialect=self.dialect)

    def drop(self) -> None:
        engine = sa.create_engine(self.url.set(drivername="postgresql+psycopg"))
        with engine.begin() as connection:
            connection.exec_driver_sql(f'DROP SCHEMA IF EXISTS "{self.schema}" CASCADE')
        engine.dispose()


class PostgresqlOnThreads(Postgresql):
    """As where the event loop cannot watch sockets: commits go over threads, as everything else does."""

    variant = "-on-threads"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.dialect = PostgresqlDialect(schema=self.schema, commits_on_loop=False)

    def count_leases_on_clock(self) -> None:
        self.dialect = PostgresqlDialect(schema=self.schema, commits_on_loop=False, leases_on_database_clock=False)


BACKENDS: tuple[type[Backend], ...] = (Memory, Sqlite, Postgresql)
WAYS: tuple[type[Backend], ...] = (*BACKENDS, SqliteOnThreads, PostgresqlOnThreads)
"""Backends, and the other ways that they may have to take."""


def is_required(name: str) -> bool:
    return name in os.environ.get("FLOWORCH_REQUIRE", "").split(",")
