"""Work in the transaction that the application has open on a connection of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from sqlalchemy import URL, Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from floworch.core.handlers.transactions import lender_of
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.ports.storage import Batch, BatchResult, Outcome, StoredRun
from floworch.errors import ConfigurationError, StorageError
from floworch.storage.sql.commit import Committer
from floworch.storage.sql.lane import Lane
from floworch.storage.sql.payloads import load_payloads
from floworch.storage.sql.psycopg_connection import AsyncConnectionOnThread, Borrowed, on_borrowed
from floworch.storage.sql.states import load_runs
from floworch.storage.sql.survey import moved_runs
from floworch.storage.sql.transaction import diagnosed, storage_error

__all__ = ["CallerTransactions"]

T = TypeVar("T")
_Runner = Callable[[Callable[[Connection], T]], Awaitable[T]]

_KINDS = (
    "a connection or session of SQLAlchemy (async ones too), a connection of psycopg 3 (async ones too), or the "
    "transaction of a handler"
)


class CallerTransactions:
    """Writes batches on connections of the application. ``threads`` are where blocking connections are used."""

    def __init__(self, committer: Committer, url: URL, sql_dialect: Dialect, threads: Lane) -> None:
        self._committer = committer
        self._url = url
        self._sql_dialect = sql_dialect
        self._threads = threads

    async def write(self, connection: object, batch: Batch) -> BatchResult:
        """See :meth:`Storage.enlist <floworch.core.ports.storage.Storage.enlist>`."""
        result = await self._on(connection, lambda joined: self._committer.write_within(joined, batch))
        if result is None:
            if batch.advances:
                return BatchResult(advances=[Outcome.CONFLICT] * len(batch.advances))
            raise StorageError("The run could not be written: its rows exist already.")
        return result

    async def load(
        self, connection: object, run_id: UUID, refs: Sequence[PayloadRef]
    ) -> tuple[StoredRun, dict[PayloadRef, Payload | None]] | None:
        """See :meth:`Storage.load_enlisted <floworch.core.ports.storage.Storage.load_enlisted>`."""
        return await self._on(connection, partial(self._load, run_id, refs))

    async def _on(self, connection: object, work: Callable[[Connection], T]) -> T:
        runner: _Runner[T] = await self._runner(connection)
        return await runner(partial(self._joined, work))

    async def _runner(self, connection: Any) -> Callable[[Callable[[Connection], T]], Awaitable[T]]:
        """How to call a function with a connection of SQLAlchemy for this one."""
        if (transaction := lender_of(connection)) is not None:
            return transaction.run
        if _is(connection, "sqlalchemy.ext.asyncio", "AsyncSession"):
            connection = await connection.connection()
        if _is(connection, "sqlalchemy.ext.asyncio", "AsyncConnection"):
            return connection.run_sync  # type: ignore[no-any-return]
        if _is(connection, "sqlalchemy.orm", "Session"):
            return partial(self._on_thread, lambda work: work(connection.connection()))
        if isinstance(connection, Connection):
            return partial(self._on_thread, lambda work: work(connection))
        borrowed = self._borrowed(connection)
        return partial(self._on_thread, partial(on_borrowed, borrowed, self._sql_dialect, self._url))

    def _borrowed(self, connection: Any) -> Borrowed:
        is_async = _is(connection, "psycopg", "AsyncConnection")
        if not is_async and not _is(connection, "psycopg", "Connection"):
            raise ConfigurationError(
                f"connection is a {type(connection).__module__}.{type(connection).__qualname__}; a run can start in "
                f"the transaction of {_KINDS}."
            )
        if self._committer.dialect.name != "postgresql":
            self._refuse_database("postgresql")
        rows = sys.modules["psycopg.rows"].tuple_row
        if is_async:
            return AsyncConnectionOnThread(connection, rows, asyncio.get_running_loop())
        return Borrowed(connection, rows)

    async def _on_thread(self, apply: Callable[[Callable[[Connection], T]], T], work: Callable[[Connection], T]) -> T:
        """Wait for the thread even when cancelled: the caller will roll back on the connection that it uses."""
        working = asyncio.ensure_future(self._threads.run(partial(apply, work)))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait({working})
            raise

    def _load(
        self, run_id: UUID, refs: Sequence[PayloadRef], connection: Connection
    ) -> tuple[StoredRun, dict[PayloadRef, Payload | None]] | None:
        tables = self._committer.tables
        connection.execute(moved_runs(tables, [run_id])).close()
        run = load_runs(connection, tables, [run_id]).get(run_id)
        return None if run is None else (run, load_payloads(connection, tables, run_id, refs))

    def _joined(self, work: Callable[[Connection], T], connection: Connection) -> T:
        if connection.dialect.name != self._committer.dialect.name:
            self._refuse_database(connection.dialect.name)
        try:
            self._committer.dialect.join(connection, self._url)
            with self._committer.dialect.in_words_of_driver(connection):
                return work(connection)
        except SQLAlchemyError as error:
            raise self._ours(error) from error

    def _ours(self, error: SQLAlchemyError) -> Exception:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if _is(cause, "sqlite3", "ProgrammingError") and "thread" in str(cause):
            return ConfigurationError(
                "The connection may only be used by the thread that made it, and floworch works on another one. Make "
                "the engine with connect_args={'check_same_thread': False}."
            )
        dialect = self._committer.dialect
        if (advice := dialect.advice_to_caller(cause)) is not None:
            return ConfigurationError(advice)
        trouble, message = diagnosed(error, dialect, "the connection that was passed")
        return storage_error(trouble, message)

    def _refuse_database(self, name: str) -> NoReturn:
        raise ConfigurationError(
            f"The connection is one to {name}, but this orchestrator keeps its runs in {self._committer.dialect.name} "
            f"({self._committer.dialect.describe(self._url)}). Pass a connection to that database."
        )


def _is(thing: object, module: str, name: str) -> bool:
    """Whether it is an instance of that class, which has to be loaded then; so nothing is imported here to find out."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(thing, kind)
