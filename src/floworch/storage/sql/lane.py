"""Dedicated threads for database work, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from floworch.errors import StorageUnavailable

__all__ = ["Lane"]

T = TypeVar("T")


class Lane:
    """``threads`` threads that run one function after the other; a caller pays one hop per operation."""

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._is_open = True

    async def run(self, work: Callable[[], T]) -> T:
        """Result of ``work``. Once it has begun it runs to its end, also when the caller is cancelled."""
        if not self._is_open:
            raise StorageUnavailable("The storage is closed; make a new one to go on.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Finish what was accepted and end the threads. Blocks."""
        self._is_open = False
        self._threads.shutdown(wait=True)
