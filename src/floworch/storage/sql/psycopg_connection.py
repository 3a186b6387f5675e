"""Connections of psycopg that belong to the application, seen as connections of SQLAlchemy.

They are borrowed: nothing here commits, rolls back or closes them, or changes their settings. An async one is worked on
from a thread, which hands every statement to the event loop that the connection belongs to and waits for the answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, StaticPool
from sqlalchemy.engine import Dialect

__all__ = ["AsyncConnectionOnThread", "Borrowed", "on_borrowed"]

T = TypeVar("T")


class Borrowed:
    """A connection of psycopg whose transaction is not ours to end."""

    def __init__(self, connection: Any, row_factory: Any) -> None:
        self._connection = connection
        self._row_factory = row_factory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def cursor(self, name: str = "") -> Any:
        """A cursor whose rows are tuples, whatever the application has asked for."""
        return self._connection.cursor(row_factory=self._row_factory)

    def commit(self) -> None:
        """The application does that."""

    def rollback(self) -> None:
        """The application does that."""

    def close(self) -> None:
        """The application does that."""


class AsyncConnectionOnThread(Borrowed):
    """``connection`` is an ``AsyncConnection`` of the event loop ``loop``; this is used on other threads."""

    def __init__(self, connection: Any, row_factory: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(connection, row_factory)
        self._loop = loop

    def cursor(self, name: str = "") -> Any:
        return _CursorOnThread(super().cursor(), self._loop)


class _CursorOnThread:
    """What SQLAlchemy needs of a cursor. Rows are fetched with the statement."""

    arraysize = 1

    def __init__(self, cursor: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._cursor = cursor
        self._loop = loop
        self._rows: deque[Any] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: Any, parameters: Any = None) -> _CursorOnThread:
        self._wait_for(self._execute(statement, parameters))
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> Sequence[Any]:
        rows, self._rows = list(self._rows), deque()
        return rows

    def close(self) -> None:
        self._wait_for(self._cursor.close())

    async def _execute(self, statement: Any, parameters: Any) -> None:
        await self._cursor.execute(statement, parameters)
        self._rows = deque(await self._cursor.fetchall() if self._cursor.description else ())

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def on_borrowed(borrowed: Borrowed, dialect: Dialect, url: URL, work: Callable[[Connection], T]) -> T:
    """Call ``work`` with a connection of SQLAlchemy that speaks through the borrowed one. Blocks."""
    pool = StaticPool(lambda: cast(Any, borrowed), reset_on_return=None)
    # Not create_engine: it would ask the server for its version, and set up the connection its own way.
    with Engine(pool, dialect, url).connect() as connection:
        return work(connection)
