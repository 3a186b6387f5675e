"""Deletes runs that ended long ago, in batches so small that nobody has to wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from traceback import format_exc

from floworch.core.engine.settings import EngineSettings
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import StorageError
from floworch.observability.logging import get_library_logger

__all__ = ["Retention"]

_JITTER = 0.1


class Retention:
    """Sweeps now and then, in every process: those that sweep at the same time share the work."""

    def __init__(self, store: Storage, clock: Clock, settings: EngineSettings, chance: Random) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._clock = clock
        self._settings = settings
        self._chance = chance
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sweep from now on, if the settings say for how long to keep runs."""
        if self._settings.keep_runs_days is not None:
            self._task = asyncio.create_task(self._run(self._settings.keep_runs_days), name="floworch-retention")

    async def stop(self) -> None:
        """End after the batch under way."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def sweep(self, ended_before: datetime, deleted: Callable[[int], None] | None = None) -> int:
        """Delete all runs that ended before that, and the idempotency keys that are due.

        Answers with the number of runs, which ``deleted`` is told after each batch.
        """
        keys_before = self._clock.now() - timedelta(days=self._settings.keep_idempotency_keys_days)
        limit, total = self._settings.retention_batch, 0
        while not self._stopping.is_set():
            gone = await self._store.delete_runs(ended_before, limit, keys_before)
            total += gone.runs
            if deleted is not None:
                deleted(total)
            if max(gone.runs, gone.keys) < limit:
                break
        return total

    async def _run(self, keep_days: float) -> None:
        # Not at once: many processes may have been started together, and a start has better things to do.
        while not await self._clock.wait(self._stopping, self._pause()):
            try:
                total = await self.sweep(self._clock.now() - timedelta(days=keep_days))
            except StorageError as error:
                self._log.warning("retention_failed", error=str(error))
            except Exception:  # noqa: BLE001 - the top of a background loop
                self._log.error("retention_failed", traceback=format_exc())
            else:
                if total:
                    self._log.info("runs_deleted", runs=total, kept_days=keep_days)

    def _pause(self) -> float:
        return self._settings.retention_interval_seconds * self._chance.uniform(1 - _JITTER, 1 + _JITTER)
