"""Connections and threads for the transactions of handlers, apart from those that the engine's own work needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from floworch.errors import CommitUnclear, ConfigurationError, StorageUnavailable
from floworch.storage.sql.dialects.base import SqlDialect, Trouble
from floworch.storage.sql.transaction import diagnosed, is_broken, storage_error

__all__ = ["HandlerDesk", "Lease", "commit"]

T = TypeVar("T")

_PAUSE_SECONDS = 0.01
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0
"""Between two interruptions of the same call."""
_MAY_COMMIT = "floworch_may_commit"


class HandlerDesk:
    """Lends at most ``dialect.handler_connections`` connections at once; who comes later waits in order."""

    def __init__(self, engine: Engine, dialect: SqlDialect, *, retry_seconds: float) -> None:
        self.dialect = dialect
        self._engine = engine
        self._retry_seconds = retry_seconds
        self._target = dialect.describe(engine.url)
        self.slots = asyncio.Semaphore(dialect.handler_connections)
        # Two per connection: one works, the other one may have to interrupt it.
        self.threads = ThreadPoolExecutor(2 * dialect.handler_connections, thread_name_prefix="floworch-sql-handler")
        self.leases: set[Lease] = set()
        self.is_closed = False
        self._endings: set[asyncio.Task[None]] = set()
        event.listen(engine, "commit", _refuse_early_commit)

    async def lend(self) -> Lease:
        await self.slots.acquire()
        if self.is_closed:
            self.slots.release()
            raise StorageUnavailable("The storage is closed; make a new one to go on.")
        lease = Lease(self)
        self.leases.add(lease)
        return lease

    def keep(self, ending: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the end of a transaction, whether or not anybody waits for it."""
        task = asyncio.ensure_future(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        return task

    def begin(self, is_interrupted: Callable[[], bool]) -> Connection:
        """A connection in a transaction. Waits for its turn to write where there is one. Blocks."""
        give_up_at = time.monotonic() + self._retry_seconds
        while True:
            connection = self._connect()
            try:
                connection.begin()
                self.dialect.begin_for_handler(connection)
            except SQLAlchemyError as error:
                connection.close()
                trouble, message = diagnosed(error, self.dialect, self._target)
                in_vain = trouble is not Trouble.RETRY and not is_broken(error)
                if in_vain or is_interrupted() or time.monotonic() >= give_up_at:
                    raise StorageUnavailable(message) from error
            else:
                return connection
            time.sleep(_PAUSE_SECONDS)

    def is_in_the_way(self, error: BaseException) -> bool:
        """Whether the same work may succeed when all of it is done again."""
        if isinstance(error, StorageUnavailable):
            return True
        if not isinstance(error, SQLAlchemyError):
            return False
        return is_broken(error) or diagnosed(error, self.dialect, self._target)[0] is Trouble.RETRY

    @contextmanager
    def errors(self, first: BaseException | None = None) -> Iterator[None]:
        """Turn errors of the database into ours. ``first`` is the handler's own error, which may be the cause."""
        try:
            yield
        except SQLAlchemyError as error:
            trouble, message = diagnosed(error, self.dialect, self._target)
            if first is not None:
                message += f" Earlier, a statement of the handler failed: {first}"
            raise storage_error(trouble, message) from error

    def close(self) -> None:
        """Undo what is open, end the threads and close every connection. Blocks."""
        self.is_closed = True
        self.threads.shutdown(wait=True)
        for lease in self.leases:
            lease.close()
        self._engine.dispose()

    def _connect(self) -> Connection:
        with self.errors():
            return self._engine.connect()


class Lease:
    """One connection of the desk, in a transaction from the first call of :meth:`run` on."""

    def __init__(self, desk: HandlerDesk) -> None:
        self._desk = desk
        self._connection: Connection | None = None
        self._driver_connection: Any = None
        self._call: asyncio.Future[Any] | None = None
        self._interruption: asyncio.Task[None] | None = None
        self._is_interrupted = False

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Result of ``work``, on a thread. Runs to its end, also when the caller is cancelled."""
        call = asyncio.get_running_loop().run_in_executor(self._desk.threads, self._run, work)
        self._call = call
        return await call

    def interrupt(self) -> None:
        """Make the statement under way fail, where the database can do that."""
        self._is_interrupted = True
        if self._interruption is None and self._call is not None:
            self._interruption = asyncio.create_task(self._interrupt(self._call))

    async def _interrupt(self, call: asyncio.Future[Any]) -> None:
        """Until the call is over: what comes between two statements, or before the first one, interrupts nothing."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not call.done():
            if self._driver_connection is not None:
                await asyncio.get_running_loop().run_in_executor(
                    self._desk.threads, self._desk.dialect.interrupt, self._driver_connection
                )
            await asyncio.wait({call}, timeout=pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def give_back(self) -> None:
        """Undo what is not committed, and let the next one have the connection."""
        try:
            if self._interruption is not None:
                await asyncio.wait({self._interruption})  # it must not hit the next one
                self._interruption.exception()
            if not self._desk.is_closed:
                await asyncio.get_running_loop().run_in_executor(self._desk.threads, self.close)
        finally:
            self._desk.leases.discard(self)
            self._desk.slots.release()

    def _run(self, work: Callable[[Connection], T]) -> T:
        if self._connection is None:
            self._connection = self._desk.begin(lambda: self._is_interrupted)
            self._driver_connection = self._connection.connection.driver_connection
        return work(self._connection)

    def close(self) -> None:
        """Undo what is not committed and return the connection. Blocks."""
        connection = self._connection
        if connection is None or connection.closed:
            return
        try:
            connection.rollback()
        except SQLAlchemyError:
            connection.invalidate()
        finally:
            connection.close()


def commit(connection: Connection) -> None:
    """Commit a handler's transaction: nobody else may."""
    connection.info[_MAY_COMMIT] = True
    try:
        connection.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise CommitUnclear(f"the connection broke during a commit, which may have happened: {error}") from error
        raise
    finally:
        if not connection.invalidated:
            connection.info.pop(_MAY_COMMIT, None)


def _refuse_early_commit(connection: Connection) -> None:
    if not connection.info.get(_MAY_COMMIT):
        raise ConfigurationError(
            "A handler must not commit the transaction of its step: the engine does, with the completion of the step."
        )
