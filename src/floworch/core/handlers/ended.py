"""How a call of a handler ended, carried as a value, so that no exception of a handler passes through machinery that
would act on it: a task that is left by SystemExit stops the event loop, and a future cannot carry StopIteration."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Ended", "Raised", "Returned", "call", "call_async"]


@dataclass(frozen=True, slots=True)
class Returned:
    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    error: BaseException


Ended: TypeAlias = Returned | Raised


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
