"""The answer to a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["Reply"]

T = TypeVar("T")


class Reply(Generic[T]):
    """Told once, by the committer, and waited for by one at a time, who may give up waiting and begin again.

    What a future and ``asyncio.shield`` would do, with one turn of the event loop instead of three, which every step
    takes. ``on_told`` is called first, with the answer, or with None in place of an error.
    """

    __slots__ = ("_error", "_on_told", "_value", "_waiter", "is_over")

    def __init__(self, on_told: Callable[[T | None], None] | None = None) -> None:
        self._value: Any = None
        self._error: Exception | None = None
        self._on_told = on_told
        self._waiter: asyncio.Future[None] | None = None
        self.is_over = False
        """Whether it is told, or nobody wants to know any more."""

    def tell(self, value: T) -> None:
        """Once, and only while it is not over."""
        self._value = value
        self._end()

    def tell_error(self, error: Exception) -> None:
        """Once, and only while it is not over."""
        self._error = error
        self._end()

    def withdraw(self) -> None:
        """Nobody wants to know any more: a request that is not decided yet need not be."""
        self.is_over = True

    async def get(self) -> T:
        """The answer, once it is told. Raises the error that was told instead."""
        if not self.is_over:
            await self._told()
        elif self._error is not None:
            # Who tries again at once, and again, must not keep the event loop from what would let it succeed.
            await asyncio.sleep(0)
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    async def error(self) -> Exception | None:
        """The error that is told, once it is; None when all has gone well."""
        if not self.is_over:
            await self._told()
        return self._error

    def _told(self) -> asyncio.Future[None]:
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def _end(self) -> None:
        self.is_over = True
        if self._on_told is not None:
            self._on_told(self._value)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
