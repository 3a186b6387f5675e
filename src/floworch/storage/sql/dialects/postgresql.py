"""PostgreSQL: its settings, clocks, locks and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import URL, ColumnElement, Connection, Engine, func, literal

from floworch.core.ports.clock import Clock
from floworch.errors import ConfigurationError, StorageUnavailable
from floworch.storage.sql.bulk import Delete, Insert, Statement, Update
from floworch.storage.sql.dialects.base import SqlDialect, Trouble
from floworch.storage.sql.dialects.postgresql_connection import RECYCLE_SECONDS, Connections
from floworch.storage.sql.dialects.postgresql_drivers import in_words_of_driver
from floworch.storage.sql.dialects.postgresql_errors import diagnose
from floworch.storage.sql.dialects.postgresql_listener import PostgresqlListener, call, call_order
from floworch.storage.sql.dialects.postgresql_pipe import PostgresqlPipes
from floworch.storage.sql.dialects.postgresql_statements import delete, insert, update
from floworch.storage.sql.dialects.postgresql_url import describe_url
from floworch.storage.sql.listener import Listener
from floworch.storage.sql.pipe import Order, Pipes
from floworch.storage.sql.tables import Tables, build_tables
from floworch.storage.sql.types import Instant

__all__ = ["PostgresqlDialect"]

_INTERRUPT_SECONDS = 5.0
_UNKNOWN_OBJECTS = frozenset({"3F000", "42P01", "42703"})  # schema, table, column
_NO_TRANSACTION = "25P01"
# Five less than a name may have: the channel of notifications is named after it.
_SCHEMA_NAME = re.compile(r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,57}")
_AUTOCOMMIT: Mapping[str, Any] = {"isolation_level": "AUTOCOMMIT"}
_MIGRATION_LOCK = 0x666C6F776F726368 >> 1


class PostgresqlDialect(SqlDialect):
    name: ClassVar[str] = "postgresql"
    oldest_server: ClassVar[int] = 13

    def __init__(
        self,
        *,
        schema: str = "floworch",
        connections: Connections | None = None,
        listens: bool = True,
        leases_on_database_clock: bool = True,
        commits_on_loop: bool = True,
    ) -> None:
        """``listens=False`` polls for the work of other processes instead of being told of it.

        ``leases_on_database_clock=False`` is for tests that move a clock of their own, ``commits_on_loop=False`` for
        those that need event loops which cannot watch sockets.
        """
        self._schema = schema
        self._connections = connections or Connections()
        self._listens = listens and not self._connections.pgbouncer
        self._leases_on_database_clock = leases_on_database_clock
        self._lease_origin = "clock_timestamp()" if leases_on_database_clock else "to_timestamp(0)"
        size = self._connections.pool_size
        self._pipes = (1 if size < 5 else 2) if commits_on_loop and not self._connections.pgbouncer else 0
        self.concurrent_commits = max(self._pipes, 1)
        # Two, so that heartbeats do not wait for a commit that waits for a lock.
        self.writer_threads = 1 if self._pipes and size < 6 else 2
        self.reader_threads = size - self._pipes - self.writer_threads
        self.handler_connections = self._connections.handler_connections
        timeouts = self._connections.timeouts()
        own = [f"SET LOCAL {name} = {value}" for name, value in timeouts.items()] if self._connections.pgbouncer else []
        self._begin_write = "; ".join(own)
        self._begin_read = "; ".join(["BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", *own])
        self._lock_timeout = timeouts["lock_timeout"]

    def check_url(self, url: URL) -> None:
        if _SCHEMA_NAME.fullmatch(self._schema) is None:
            raise ConfigurationError(
                f"The schema is {self._schema!r}; it must be at most 58 letters (a to z), digits and underscores, and "
                "begin neither with a digit nor with 'pg_', which PostgreSQL keeps for itself."
            )

    def describe(self, url: URL) -> str:
        return describe_url(url)

    def check_server(self, connection: Connection) -> None:
        version = connection.dialect.server_version_info or ()
        if version < (self.oldest_server,):
            raise StorageUnavailable(
                f"The server is PostgreSQL {'.'.join(map(str, version))}, which is too old: floworch needs "
                f"{self.oldest_server} or newer. Upgrade it, or use another server."
            )
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise StorageUnavailable(
                f"The database has the encoding {encoding}, in which not every text can be kept: floworch needs UTF8. "
                "Use another database, made with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0."
            )

    def connect(self, url: URL, connections: int) -> Engine:
        return self._connections.engine(url, connections)

    def tables(self) -> Tables:
        return build_tables(self.name, schema=self._schema)

    def begin_write(self, connection: Connection) -> None:
        """The driver begins, and "read committed" sees what the locks waited for."""
        if self._begin_write:
            connection.exec_driver_sql(self._begin_write)

    def begin_read(self, connection: Connection) -> None:
        connection.exec_driver_sql(self._begin_read)

    def interrupt(self, driver_connection: Any) -> None:
        driver_connection.cancel_safe(timeout=_INTERRUPT_SECONDS)

    def in_words_of_driver(self, connection: Connection) -> AbstractContextManager[None]:
        return in_words_of_driver(connection)

    def advice_to_caller(self, error: BaseException | None) -> str | None:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state in _UNKNOWN_OBJECTS:
            return (
                f"The database of the connection has no tables of floworch in a schema {self._schema!r} ({error}). "
                "Pass a connection to the database that this orchestrator keeps its runs in."
            )
        if state == _NO_TRANSACTION:
            return (
                "The connection commits every statement at once (autocommit), so there is no transaction to start the "
                "run in. Open one first: 'with connection.transaction()', or a connection without autocommit."
            )
        return None

    def lock_schema(self, connection: Connection) -> None:
        # Another process may take its time. The tables' locks are not waited for as long: everybody else would queue up
        # behind.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {self._lock_timeout}")

    @property
    def reading_options(self) -> Mapping[str, Any]:
        # So that we begin, and not the driver, after which the kind of transaction takes a statement more. Told the
        # kind by SQLAlchemy's options, it would go on with READ WRITE, whatever default_transaction_read_only says.
        return _AUTOCOMMIT

    @property
    def asking_options(self) -> Mapping[str, Any]:
        # Spares the round trips of BEGIN and ROLLBACK. PgBouncer needs them: for the timeouts.
        return {} if self._connections.pgbouncer else _AUTOCOMMIT

    def pipes(self, url: URL) -> Pipes | None:
        if not self._pipes:
            return None
        arguments = self._connections.arguments(url.query, only_commits=True)
        return PostgresqlPipes(url, arguments, self._pipes, RECYCLE_SECONDS)

    def call_orders(self, caller: str) -> list[Order]:
        return [call_order(self._channel, caller)]

    def call(self, connection: Connection, caller: str) -> None:
        call(connection, self._channel, caller)

    def listen(self, url: URL, owner: str, wake: Callable[[], None]) -> Listener | None:
        if not self._listens:
            return None
        return PostgresqlListener(url, self._connections.arguments(url.query), self._channel, owner, wake)

    @property
    def _channel(self) -> str:
        return f"{self._schema}_work"

    def diagnose(self, error: BaseException, target: str) -> tuple[Trouble, str]:
        return diagnose(error, target)

    def instant(self, at: datetime) -> str:
        return at.isoformat()

    def lease(self, seconds: float, now: datetime) -> float:
        """Seconds after the lease origin."""
        return seconds if self._leases_on_database_clock else now.timestamp() + seconds

    def lease_clock(self, clock: Clock) -> ColumnElement[Any]:
        # Stable within a statement: an index serves only comparisons with such values.
        return func.statement_timestamp() if self._leases_on_database_clock else literal(clock.now(), Instant)

    def insert(self, statement: Insert) -> Statement:
        return insert(statement, self._lease_origin)

    def update(self, statement: Update) -> Statement:
        return update(statement, self._lease_origin)

    def delete(self, statement: Delete) -> Statement:
        return delete(statement)
