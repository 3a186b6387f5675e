"""Stores that fail on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, BatchResult
from floworch.errors import StorageError, StorageUnavailable
from tests.engine.workbench import SharedMemory

__all__ = ["BrittleStore"]


class BrittleStore(SharedMemory):
    """Commits fail while ``is_down``, batches that ``is_poisoned`` are refused, and every commit takes ``seconds``."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.is_down = False
        self.is_poisoned: Callable[[Batch], bool] = lambda batch: False
        self.seconds = 0.0
        self.commits = 0

    async def commit(self, batch: Batch) -> BatchResult:
        await asyncio.sleep(self.seconds)
        if self.is_down:
            raise StorageUnavailable("the store is switched off")
        if self.is_poisoned(batch):
            raise StorageError("this value cannot be stored")
        self.commits += 1
        return await super().commit(batch)
