"""Waiting for answers that others give, without taking them away from anybody else."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, TypeVar

__all__ = ["answer_of"]

T = TypeVar("T")


async def answer_of(future: asyncio.Future[T]) -> T:
    """What the future gets. Cancelling who waits does not cancel the future.

    Like ``asyncio.shield`` at less than half the price, which every step pays.
    """
    if not future.done():
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(partial(_wake, waiter))
        await waiter
    return future.result()


def _wake(waiter: asyncio.Future[None], future: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)
    elif not future.cancelled():
        future.exception()  # looked at, so that asyncio does not complain about an error that nobody waits for
