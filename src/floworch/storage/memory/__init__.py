"""Storage in the memory of one process: for tests, trials and short-lived scripts."""

from __future__ import annotations

from floworch.storage.memory.store import MemoryStorage

__all__ = ["MemoryStorage"]
