"""What truly differs between databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

from sqlalchemy import URL, ColumnElement, Connection, Engine

from floworch.core.ports.clock import Clock
from floworch.storage.sql.bulk import Delete, Insert, Statement, Update
from floworch.storage.sql.listener import Listener
from floworch.storage.sql.pipe import Order, Pipes
from floworch.storage.sql.tables import Tables

__all__ = ["SqlDialect", "Trouble"]


class Trouble(Enum):
    """What a database error means for the caller."""

    RETRY = "retry"
    """Another transaction was in the way; the same work may succeed when done again from the start."""
    TIMEOUT = "timeout"
    """It took too long and was undone; nothing is wrong with the database."""
    UNAVAILABLE = "unavailable"
    OTHER = "other"


class SqlDialect(ABC):
    """One database's way. Stateless but for its settings; shared by all threads of a store."""

    name: ClassVar[str]
    writer_threads: int = 1
    reader_threads: int = 2
    handler_connections: int = 10
    """Transactions of handlers at once, beside the store's own work."""
    concurrent_commits: int = 1
    """Batches that are worth having under way at once."""
    rewrites_indexes: bool = False
    """Whether an update writes the indexes of all columns that it names, also when they keep their values."""

    def check_url(self, url: URL) -> None:
        """Raise :class:`~floworch.errors.ConfigurationError` for a URL that cannot work. Most can only be tried."""
        return

    def describe(self, url: URL) -> str:
        """Names the database for people, without anything that is secret."""
        return url.render_as_string(hide_password=True)

    def check_server(self, connection: Connection) -> None:
        """Raise :class:`~floworch.errors.StorageUnavailable` for a server or database that cannot be used as it is."""
        return

    @abstractmethod
    def connect(self, url: URL, connections: int) -> Engine:
        """An engine with at most so many connections, none of them made yet. Raises ``ImportError`` when the driver is
        missing."""

    @abstractmethod
    def tables(self) -> Tables: ...

    # -- transactions

    @abstractmethod
    def begin_write(self, connection: Connection) -> None:
        """Start a transaction whose reads see what it will write on."""

    @abstractmethod
    def begin_read(self, connection: Connection) -> None:
        """Start a transaction whose reads all see one state of the database."""

    def begin_for_handler(self, connection: Connection) -> None:
        """Start a transaction that a handler will write in. Fails soon, with an error that means ``RETRY``, where it
        would have to wait for other writers."""
        self.begin_write(connection)
        connection.exec_driver_sql("SELECT 1")  # a broken connection is noticed here, where it can be replaced

    def interrupt(self, driver_connection: Any) -> None:
        """Make the statement under way on another thread fail. Does nothing where that is not possible. Blocks."""
        return

    def join(self, connection: Connection, url: URL) -> None:
        """Check that the application's connection is in a transaction on the database of ``url``, as far as that is
        cheap. Raises :class:`~floworch.errors.ConfigurationError`."""
        return

    def in_words_of_driver(self, connection: Connection) -> AbstractContextManager[None]:
        """Inside it, bulk statements work on the application's connection, whose driver may not be the store's."""
        return nullcontext()

    def advice_to_caller(self, error: BaseException | None) -> str | None:
        """What is wrong with the application's connection, if this error of a driver tells that it is the wrong one."""
        return None

    @abstractmethod
    def lock_schema(self, connection: Connection) -> None:
        """Wait until no other process migrates; until the end of the transaction no other one can."""

    @abstractmethod
    def diagnose(self, error: BaseException, target: str) -> tuple[Trouble, str]:
        """What a driver's error means, and what a person should do about it. ``target`` names the database."""

    @property
    def reading_options(self) -> Mapping[str, Any]:
        """Execution options for a connection before :meth:`begin_read`; the other verbs begin without them."""
        return {}

    @property
    def asking_options(self) -> Mapping[str, Any]:
        """Execution options for a connection on which single statements are asked outside of a transaction; empty where
        that is not worth having."""
        return {}

    # -- pipes

    def pipes(self, url: URL) -> Pipes | None:
        """Connections for commits on the event loop, none of them made yet; None if the database or its settings have
        no such thing."""
        return None

    def call_orders(self, caller: str) -> list[Order]:
        """:meth:`call` for a pipe."""
        return []

    # -- waking other processes

    def call(self, connection: Connection, caller: str) -> None:
        """Wake the other processes up once the transaction has committed, if the database can."""
        return

    def listen(self, url: URL, owner: str, wake: Callable[[], None]) -> Listener | None:
        """Start to listen for calls of others than ``owner``; None if the database or its settings cannot do that."""
        return None

    # -- values of bulk rows

    @abstractmethod
    def instant(self, at: datetime) -> Any:
        """An instant as a value of a bulk row."""

    @abstractmethod
    def lease(self, seconds: float, now: datetime) -> Any:
        """A lease of that length as the value of ``lease_until`` in a bulk row; ``now`` is the application's time."""

    @abstractmethod
    def lease_clock(self, clock: Clock) -> ColumnElement[Any]:
        """The present, by the clock that leases are counted on."""

    # -- statements

    def prepare(self, statement: Insert | Update | Delete) -> Statement:
        """The statement in the words of this database."""
        if isinstance(statement, Insert):
            return self.insert(statement)
        return self.update(statement) if isinstance(statement, Update) else self.delete(statement)

    @abstractmethod
    def insert(self, statement: Insert) -> Statement: ...

    @abstractmethod
    def update(self, statement: Update) -> Statement: ...

    @abstractmethod
    def delete(self, statement: Delete) -> Statement: ...
