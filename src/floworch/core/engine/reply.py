"""The answer to a request."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Listener", "Reply"]

T = TypeVar("T")


class Listener(Protocol[T]):
    def answered(self, reply: Reply[T]) -> None:
        """The reply is told, and those who wait for it go on soon."""
        ...


class Reply(Generic[T]):
    """Told once, by the committer, and waited for by one at a time, who may give up waiting and begin again.

    What a future and ``asyncio.shield`` would do, with one turn of the event loop instead of three. A
    listener needs no turn at all: that is so for every step.
    """

    __slots__ = ("_error", "_listener", "_value", "_waiter", "is_over")

    def __init__(self, listener: Listener[T] | None = None) -> None:
        self._value: Any = None
        self._error: Exception | None = None
        self._listener = listener
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
        return self.answer()

    def answer(self) -> T:
        """What was told. Raises the error that was told instead."""
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
        if self._listener is not None:
            self._listener.answered(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
