"""The pipe to SQLite: statements on the event loop, and only the commit, which waits for the disk, on a thread.

SQLite needs a few microseconds per row. A thread beside a busy event loop waits up to 5 ms for the interpreter after
each statement, ten times what a batch takes; so it has to wait for it only once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from floworch.storage.sql.pipe import BEGIN, COMMIT, Answer, Order, Pipe, Pipes

__all__ = ["SqlitePipe", "SqlitePipes"]


class SqlitePipes(Pipes):
    """One pipe. ``connect`` makes its connection, which never waits for other writers: then threads do."""

    most = 1
    errors = sqlite3.Error

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._turn = asyncio.Lock()
        self._pipe: SqlitePipe | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="floworch-sql-commit")
        self._is_closed = False

    async def take(self) -> SqlitePipe | None:
        await self._turn.acquire()
        try:
            if self._is_closed:
                self._turn.release()
                return None
            if self._pipe is None:
                loop = asyncio.get_running_loop()
                self._pipe = SqlitePipe(await loop.run_in_executor(self._thread, self._connect), self._thread)
            return self._pipe
        except BaseException:
            self._turn.release()
            raise

    def give_back(self, pipe: Pipe) -> None:
        self._turn.release()

    async def close(self) -> None:
        async with self._turn:
            self._is_closed = True
            if self._pipe is not None:
                self._pipe.close()
                self._pipe = None
            self._thread.shutdown()


class SqlitePipe(Pipe):
    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._thread = thread

    async def exchange(self, orders: Sequence[Order]) -> list[Answer]:
        try:
            return [await self._commit() if order is COMMIT else self._execute(order) for order in orders]
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def close(self) -> None:
        self._connection.close()

    def _execute(self, order: Order) -> Answer:
        text = "BEGIN IMMEDIATE" if order is BEGIN else order.text
        return Answer(self._connection.execute(text, order.parameters).rowcount)

    async def _commit(self) -> Answer:
        committing = asyncio.get_running_loop().run_in_executor(self._thread, self._connection.commit)
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await asyncio.wait({committing})  # nobody else may use the connection before
            committing.exception()
            raise
        return Answer(0)
