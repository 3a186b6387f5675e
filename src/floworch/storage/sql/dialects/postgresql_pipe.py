"""Pipes to PostgreSQL: libpq's pipeline mode on the event loop, by the thin wrapper that psycopg publishes.

A cursor of psycopg costs three times as much per statement, for conversions and adaptations that text has no need of.
The rules of the mode: https://www.postgresql.org/docs/current/libpq-pipeline-mode.html.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import URL

from floworch.storage.sql.pipe import Answer, Order, Pipe, PipeBroken, Pipes

__all__ = ["PostgresqlPipe", "PostgresqlPipes"]

_OLDEST_LIBPQ = 140000
_ABOUT_ROWS = frozenset({"22P02", "23505"})
"""What says that rows were not as expected, which is nothing against the connection: see the strict orders."""
_FATAL = frozenset({"FATAL", "PANIC"})


class PostgresqlPipes(Pipes):
    """``arguments`` of ``psycopg.connect`` are added to those of the URL. Connections are not used for longer than
    ``recycle_seconds``."""

    can_transact = True

    def __init__(self, url: URL, arguments: Mapping[str, Any], most: int, recycle_seconds: float) -> None:
        import psycopg

        self.most = most
        self.errors = psycopg.Error
        self._url = url
        self._arguments = arguments
        self._recycle_seconds = recycle_seconds
        self._slots = asyncio.Semaphore(most)
        self._idle: list[PostgresqlPipe] = []
        self._works = psycopg.pq.version() >= _OLDEST_LIBPQ

    async def take(self) -> PostgresqlPipe | None:
        await self._slots.acquire()
        try:
            pipe = self._first_idle() or await self._connect()
        except BaseException:
            self._slots.release()
            raise
        if pipe is None:
            self._slots.release()
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        assert isinstance(pipe, PostgresqlPipe)
        if pipe.is_open:
            self._idle.append(pipe)
        self._slots.release()

    async def close(self) -> None:
        for _ in range(self.most):
            await self._slots.acquire()
        self._works = False
        while self._idle:
            self._idle.pop().close()
        for _ in range(self.most):
            self._slots.release()

    def _first_idle(self) -> PostgresqlPipe | None:
        while self._idle:
            pipe = self._idle.pop()
            if time.monotonic() - pipe.connected_at < self._recycle_seconds and pipe.is_alive():
                return pipe
            pipe.close()
        return None

    async def _connect(self) -> PostgresqlPipe | None:
        import psycopg

        if not self._works or not _can_watch_sockets(asyncio.get_running_loop()):
            return None
        dialect: Any = self._url.get_dialect()()
        place, options = dialect.create_connect_args(self._url)
        arguments = {**options, **self._arguments, "client_encoding": "UTF8"}
        return PostgresqlPipe(await psycopg.AsyncConnection.connect(*place, **arguments, autocommit=True))


def _can_watch_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Windows' default loop cannot."""
    return type(loop).__name__ != "ProactorEventLoop"


class PostgresqlPipe(Pipe):
    """Takes over an ``AsyncConnection``. Made and used on one event loop."""

    def __init__(self, connection: Any) -> None:
        from psycopg import errors, pq

        self.connected_at = time.monotonic()
        self.is_open = True
        self._connection = connection  # which would close it when it is collected
        self._pg: pq.abc.PGconn = connection.pgconn
        self._socket = self._pg.socket
        self._status = pq.ExecStatus
        self._idle = pq.TransactionStatus.IDLE
        self._error_of = errors.error_from_result
        self._error = errors.OperationalError
        self._names: dict[str, bytes] = {}
        self._numbers = itertools.count()
        self._results: list[Any] = []
        self._done: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        # For good: so a connection that breaks while nobody needs it is noticed, too.
        self._loop.add_reader(self._socket, self._receive)

    def is_alive(self) -> bool:
        """Whether nothing tells that the connection has ended. Once orders are under way, it is too late to ask: then
        nobody knows what became of them."""
        self._receive()
        if self.is_open:
            self._receive()  # behind the server's last words
        return self.is_open

    async def exchange(self, orders: Sequence[Order]) -> list[Answer]:
        prepared = await self._travel(orders)
        results = iter(self._results)
        return [self._answer([next(results) for _ in range(1 + is_new)][-1]) for is_new in prepared]

    async def transact(self, orders: Sequence[Order]) -> None:
        # The server takes all orders before a synchronization point, if none of them is BEGIN, as one transaction.
        await self._travel(orders)

    async def _travel(self, orders: Sequence[Order]) -> list[bool]:
        """Whether each statement had to be prepared, which has a result of its own."""
        if not self.is_open:
            raise PipeBroken("the connection was closed")
        self._results = []
        self._done = self._loop.create_future()
        try:
            prepared = [self._send(order) for order in orders]
            self._pg.pipeline_sync()
            self._flush()
            await self._done
        except self._error as error:
            self.close()
            raise PipeBroken(str(error)) from error
        except BaseException:
            self.close()
            raise
        self._raise_first_error([order.text for order, is_new in zip(orders, prepared, strict=True) if is_new])
        return prepared

    def close(self) -> None:
        """Safe to call twice."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pg.finish()

    def _send(self, order: Order) -> bool:
        """Whether the statement had to be prepared."""
        if not order.parameters:  # BEGIN, COMMIT, ROLLBACK: nothing to plan
            self._pg.send_query_params(order.text.encode(), None)
            return False
        name = self._names.get(order.text)
        is_new = name is None
        if name is None:
            name = self._names[order.text] = b"floworch_%d" % next(self._numbers)
            self._pg.send_prepare(name, order.text.encode())
        self._pg.send_query_prepared(name, order.parameters)
        return is_new

    def _flush(self) -> None:
        """Send what the socket takes, and the rest when it takes more."""
        try:
            if self._pg.flush():
                self._loop.add_writer(self._socket, self._flush)
            else:
                self._loop.remove_writer(self._socket)
        except self._error as error:
            self._break(error)

    def _receive(self) -> None:
        try:
            self._pg.consume_input()
        except self._error as error:
            self._break(error)
            return
        while self._done is not None and not self._pg.is_busy():
            result = self._pg.get_result()
            if result is None:
                continue  # ends the results of each order
            if result.status == self._status.PIPELINE_SYNC:
                self._finish(None)
            else:
                self._results.append(result)

    def _break(self, error: Exception) -> None:
        self.close()
        self._finish(self._last_words() or error)

    def _last_words(self) -> Exception | None:
        """Why the server closed the connection, if it said so."""
        said = [result for result in self._results if result.status == self._status.FATAL_ERROR]
        return self._error(str(self._error_of(said[-1], "utf-8"))) if said else None

    def _finish(self, error: Exception | None) -> None:
        done, self._done = self._done, None
        if done is None or done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def _raise_first_error(self, new: Sequence[str]) -> None:
        """``new`` are the texts that were to be prepared."""
        for result in self._results:
            if result.status == self._status.FATAL_ERROR:
                break
        else:
            return
        error = self._error_of(result, "utf-8")
        if error.sqlstate not in _ABOUT_ROWS or self._pg.transaction_status != self._idle:
            self.close()  # and with it a transaction that was begun
        for text in new:  # which of them are, depends on where the error was
            del self._names[text]
        if error.diag.severity_nonlocalized in _FATAL:
            self.close()
            raise PipeBroken(str(error)) from error
        raise error

    def _answer(self, result: Any) -> Answer:
        return Answer(result.command_tuples or 0, [result.get_value(row, 0) for row in range(result.ntuples)])
