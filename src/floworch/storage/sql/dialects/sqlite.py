"""SQLite: one writer at a time, no clock of its own, no types for ids and instants."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, ColumnElement, Connection, Engine, QueuePool, create_engine, event, literal

from floworch.core.ports.clock import Clock
from floworch.errors import ConfigurationError, StorageUnavailable
from floworch.storage.sql.bulk import Delete, Insert, Statement, Update
from floworch.storage.sql.dialects import sqlite_statements
from floworch.storage.sql.dialects.base import SqlDialect, Trouble
from floworch.storage.sql.dialects.sqlite_errors import diagnose
from floworch.storage.sql.dialects.sqlite_pipe import SqlitePipes
from floworch.storage.sql.pipe import Pipes
from floworch.storage.sql.tables import Tables, build_tables
from floworch.storage.sql.types import Instant, to_micros

__all__ = ["SqliteDialect"]

_OLDEST = (3, 33)  # the first with UPDATE … FROM
_PREFIX = "floworch_"
_KNOCK_MILLISECONDS = 100
_ARGUMENTS: Mapping[str, Any] = {"isolation_level": None, "check_same_thread": False, "cached_statements": 512}
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


class SqliteDialect(SqlDialect):
    name: ClassVar[str] = "sqlite"
    rewrites_indexes = True
    handler_connections = 1  # only one can write; the others wait in order instead of knocking

    def __init__(
        self,
        *,
        synchronous: str = "FULL",
        busy_timeout_seconds: float = 5.0,
        pragmas: Mapping[str, str | int] | None = None,
        commits_on_loop: bool = True,
    ) -> None:
        """``commits_on_loop=False`` is for tests of what commits do that get in each other's way.

        Raises ConfigurationError for a word that SQLite would silently take for ``NORMAL``.
        """
        if synchronous.upper() not in _SYNCHRONOUS:
            raise ConfigurationError(f"synchronous is {synchronous!r}; it must be one of {', '.join(_SYNCHRONOUS)}")
        self._commits_on_loop = commits_on_loop
        self._pragmas: dict[str, str | int] = {
            "busy_timeout": int(busy_timeout_seconds * 1000),
            "journal_mode": "WAL",
            "synchronous": synchronous,
            "foreign_keys": "ON",
            "cache_size": -16_000,
            "temp_store": "MEMORY",
            **(pragmas or {}),
        }

    def check_url(self, url: URL) -> None:
        if url.database in (None, "", ":memory:"):
            raise ConfigurationError(
                f"{url.render_as_string()!r} is a SQLite database in memory, which is lost when a connection closes. "
                "Give the path of a file, or use the in-memory storage."
            )

    def connect(self, url: URL, connections: int) -> Engine:
        _check_version()
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            hide_parameters=True,  # among them are payloads, and errors are logged
            connect_args=dict(_ARGUMENTS),
        )
        event.listen(engine, "connect", self._set_up)
        return engine

    def pipes(self, url: URL) -> Pipes | None:
        if not self._commits_on_loop:
            return None
        return SqlitePipes(partial(self._connect_pipe, url))

    def tables(self) -> Tables:
        return build_tables(self.name, prefix=_PREFIX)

    def begin_write(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def begin_for_handler(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_KNOCK_MILLISECONDS}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def interrupt(self, driver_connection: Any) -> None:
        driver_connection.interrupt()

    def join(self, connection: Connection, url: URL) -> None:
        files = [row[2] for row in connection.exec_driver_sql("PRAGMA database_list") if row[1] == "main"]
        if not (files and files[0] and Path(files[0]).samefile(url.database or "")):
            raise ConfigurationError(
                f"The connection belongs to the SQLite database {files and files[0]!r}, but this orchestrator keeps "
                f"its runs in {url.database!r}. Pass a connection to that file."
            )
        _require_transaction(connection)

    def advice_to_caller(self, error: BaseException | None) -> str | None:
        if "no such table" not in str(error):
            return None
        return f"The database of the connection has no tables of floworch ({error}). Pass one to that which has."

    def begin_read(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    def lock_schema(self, connection: Connection) -> None:
        """Nothing to do: an immediate transaction already holds the only write lock."""

    def diagnose(self, error: BaseException, target: str) -> tuple[Trouble, str]:
        return diagnose(error, target)

    def instant(self, at: datetime) -> int:
        return to_micros(at)

    def lease(self, seconds: float, now: datetime) -> int:
        return to_micros(now + timedelta(seconds=seconds))

    def lease_clock(self, clock: Clock) -> ColumnElement[Any]:
        return literal(clock.now(), Instant)

    def insert(self, statement: Insert) -> Statement:
        return sqlite_statements.insert(statement)

    def update(self, statement: Update) -> Statement:
        return sqlite_statements.update(statement)

    def delete(self, statement: Delete) -> Statement:
        return sqlite_statements.delete(statement)

    def _connect_pipe(self, url: URL) -> sqlite3.Connection:
        dialect: Any = url.get_dialect()()
        place, options = dialect.create_connect_args(url)
        connection: sqlite3.Connection = sqlite3.connect(*place, **{**options, **_ARGUMENTS})
        self._set_up(connection, None)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def _set_up(self, connection: sqlite3.Connection, _record: object) -> None:
        for name, value in self._pragmas.items():
            connection.execute(f"PRAGMA {name} = {value}").close()


def _require_transaction(connection: Connection) -> None:
    driver_connection: Any = connection.connection.driver_connection
    if driver_connection.in_transaction:
        return
    if driver_connection.isolation_level is None:
        raise ConfigurationError(
            "The connection commits every statement at once (autocommit), so there is no transaction to start the run "
            "in. Use one without isolation_level='AUTOCOMMIT', inside 'with connection.begin()'."
        )
    # The driver begins by itself, but only before it writes rows: a savepoint would be the whole transaction.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_version() -> None:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StorageUnavailable(
            f"SQLite {sqlite3.sqlite_version} is too old: floworch needs {'.'.join(map(str, _OLDEST))} or newer. "
            "Use a Python that was built with a newer SQLite."
        )
