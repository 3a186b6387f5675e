"""How a call of a handler ended, carried as a value, so that no exception of a handler passes through machinery that
would act on it: a task that is left by SystemExit stops the event loop, and a future cannot carry StopIteration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

__all__ = ["End", "Ended", "Raised", "Returned", "call", "call_async"]


class Returned(NamedTuple):
    value: Any


class Raised(NamedTuple):
    error: BaseException


Ended: TypeAlias = Returned | Raised


class End:
    """The end of a call: told once, and waited for by one at a time, who may give up waiting and begin again.

    Everything happens on one event loop. ``listener`` is called when the end is told.
    """

    __slots__ = ("_listener", "_waiter", "ended")

    def __init__(self, listener: Callable[[Ended], None] | None = None) -> None:
        self._listener = listener
        self.ended: Ended | None = None
        self._waiter: asyncio.Future[None] | None = None

    def tell(self, ended: Ended) -> None:
        """The call has ended; only the first time counts."""
        if self.ended is None:
            self.ended = ended
            if self._listener is not None:
                self._listener(ended)
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    async def wait(self) -> Ended:
        """How the call ended, once it has."""
        if self.ended is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        assert self.ended is not None
        return self.ended


def call(function: Callable[[], Any]) -> Ended:
    """Call a function; whatever it raises is part of the answer."""
    try:
        return Returned(function())
    except BaseException as error:  # noqa: BLE001  (the handler boundary)
        return Raised(error)


async def call_async(function: Callable[[], Awaitable[Any]]) -> Ended:
    """Call and await a coroutine function; whatever it raises is part of the answer, cancellation too."""
    try:
        return Returned(await function())
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001  (the handler boundary)
        return Raised(error)
