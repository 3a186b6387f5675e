"""Transactions that handlers write in, each on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, TextClause, Transaction, text

from floworch.core.model.rows import Rows
from floworch.core.ports.storage import Batch, BatchResult, Outcome, StoredRun
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import ConfigurationError, StorageError
from floworch.storage.sql.commit import Committer
from floworch.storage.sql.handler_desk import HandlerDesk, Lease, commit
from floworch.storage.sql.states import load_runs
from floworch.storage.sql.survey import moved_runs

__all__ = ["SqlTransaction"]

T = TypeVar("T")

_PATIENCE_SECONDS = 5.0
_ENDING_WORDS = frozenset({"ABORT", "BEGIN", "COMMIT", "END", "ROLLBACK", "START"})


class SqlTransaction(StoreTransaction):
    """Takes a connection from the desk at the first call that needs one."""

    def __init__(self, desk: HandlerDesk, committer: Committer) -> None:
        self._desk = desk
        self._committer = committer
        self._turn = asyncio.Lock()
        self._lease: Lease | None = None
        self._is_over = False
        self._ending: asyncio.Task[None] | None = None
        self._first_error: BaseException | None = None

    @property
    def has_begun(self) -> bool:
        return self._lease is not None

    @property
    def was_in_the_way(self) -> bool:
        return self._first_error is not None and self._desk.is_in_the_way(self._first_error)

    async def execute(self, statement: Any, parameters: Any = None) -> Rows:
        if isinstance(statement, str):
            statement = text(statement)
        _refuse_endings(statement)
        return await self.run(lambda connection: _rows(connection, statement, parameters))

    async def run(self, work: Callable[[Any], T]) -> T:
        return await self._in_turn(partial(self._carry_out, work))

    async def load(self, run_id: UUID) -> StoredRun | None:
        return await self._in_turn(partial(self._ours, partial(self._load, run_id)))

    async def commit(self, batch: Batch) -> BatchResult:
        result = await self._in_turn(partial(self._ours, partial(self._commit, batch)))
        if self._is_over:
            await self.rollback()  # nothing is left to undo: it gives the connection back
        return result

    async def rollback(self) -> None:
        self._is_over = True
        if self._ending is None:
            if self._lease is not None and self._turn.locked():
                self._lease.interrupt()
            self._ending = self._desk.keep(self._end())
        # A statement that cannot be interrupted keeps the connection for as long as it takes, but not the caller.
        await asyncio.wait({self._ending}, timeout=_PATIENCE_SECONDS)

    async def _in_turn(self, work: Callable[[Connection], T]) -> T:
        async with self._turn:
            if self._is_over:
                raise StorageError("The transaction is over: it was committed, rolled back or interrupted.")
            if self._lease is None:
                self._lease = await self._desk.lend()
            try:
                return await self._uninterrupted(self._lease, work)
            except StorageError as error:
                self._first_error = self._first_error or error
                raise

    async def _uninterrupted(self, lease: Lease, work: Callable[[Connection], T]) -> T:
        """Wait for the thread even when cancelled: nobody else may use the connection before."""
        working = asyncio.ensure_future(lease.run(work))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            self._is_over = True
            lease.interrupt()
            await _settled(working)
            raise

    async def _end(self) -> None:
        async with self._turn:
            if self._lease is not None:
                await self._lease.give_back()

    def _carry_out(self, work: Callable[[Connection], T], connection: Connection) -> T:
        begun = connection.get_transaction()
        try:
            result = work(connection)
        except Exception as error:
            self._first_error = self._first_error or error
            self._close_if_ended(connection, begun)
            raise
        if self._close_if_ended(connection, begun):
            raise ConfigurationError(
                "The handler's function ended the transaction of its step by itself (by a rollback or by closing the "
                "connection). It is undone; leave the end to the engine, and use connection.begin_nested() for a part "
                "that may fail."
            )
        return result

    def _close_if_ended(self, connection: Connection, begun: Transaction | None) -> bool:
        is_intact = not connection.closed and not connection.invalidated
        if is_intact and begun is not None and begun.is_active and connection.get_transaction() is begun:
            return False
        self._is_over = True
        if is_intact:
            connection.invalidate()
        return True

    def _ours(self, work: Callable[[Connection], T], connection: Connection) -> T:
        with self._desk.errors(self._first_error):
            return work(connection)

    def _load(self, run_id: UUID, connection: Connection) -> StoredRun | None:
        tables = self._committer.tables
        connection.execute(moved_runs(tables, [run_id])).close()
        return load_runs(connection, tables, [run_id]).get(run_id)

    def _commit(self, batch: Batch, connection: Connection) -> BatchResult:
        result = self._committer.write_within(connection, batch)
        if result is None:
            lost = [Outcome.CONFLICT]
            return BatchResult([], lost * len(batch.advances), lost * len(batch.claims))
        commit(connection)
        self._is_over = True
        return result


def _rows(connection: Connection, statement: Any, parameters: Any) -> Rows:
    result = connection.execute(statement, parameters, execution_options={"preserve_rowcount": True})
    return Rows(result.all() if result.returns_rows else (), result.rowcount)


def _refuse_endings(statement: Any) -> None:
    words = str(statement).upper().replace(";", " ").split() if isinstance(statement, TextClause) else []
    is_partial = words[:1] == ["ROLLBACK"] and "TO" in words[1:3]
    if words and words[0] in _ENDING_WORDS and not is_partial:
        raise ConfigurationError(
            f"{words[0]} would end the transaction of the step before its completion. Leave that to the engine; for a "
            "part that may fail use SAVEPOINT, or tx.run with connection.begin_nested()."
        )


async def _settled(working: asyncio.Future[Any]) -> None:
    while not working.done():
        try:
            await asyncio.wait({working})
        except asyncio.CancelledError:
            continue  # the first one is raised by the caller, once the thread is done
    if not working.cancelled():
        working.exception()
