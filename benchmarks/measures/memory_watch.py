"""How far the memory of this process rises while something runs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from benchmarks.memory import memory_mib

__all__ = ["MemoryWatch", "watched_memory"]

_LOOK_SECONDS = 0.05


class MemoryWatch:
    """``growth_mib`` is the highest level since the beginning, less the level then."""

    def __init__(self) -> None:
        gc.collect()
        self._start = self._highest = memory_mib()

    @property
    def growth_mib(self) -> float:
        return self._highest - self._start

    def look(self) -> None:
        self._highest = max(self._highest, memory_mib())


@asynccontextmanager
async def watched_memory() -> AsyncIterator[MemoryWatch]:
    """Look at the memory twenty times a second, and at the end."""
    watch = MemoryWatch()
    looking = asyncio.create_task(_keep_looking(watch))
    try:
        yield watch
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        watch.look()


async def _keep_looking(watch: MemoryWatch) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        watch.look()
