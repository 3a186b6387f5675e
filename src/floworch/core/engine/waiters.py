"""Waiting for runs to end, whoever ends them."""

from __future__ import annotations

import asyncio
from uuid import UUID

from floworch.core.model.records import RunRecord
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import RunNotFound, StorageUnavailable, WaitTimeout

__all__ = ["Waiters"]

_FIRST_LOOK_SECONDS = 0.05
_LONGEST_LOOK_SECONDS = 2.0


class Waiters:
    """This process's own runs wake their waiters; the store is asked now and then for runs that others end."""

    def __init__(self, store: Storage, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._events: dict[UUID, list[asyncio.Event]] = {}
        self._is_closed = False

    def ended(self, run_id: UUID) -> None:
        for event in self._events.get(run_id, ()):
            event.set()

    def close(self) -> None:
        """Whoever still waits gets StorageUnavailable: this process will not see the end of the run."""
        self._is_closed = True
        for run_id in self._events:
            self.ended(run_id)

    async def wait(self, run_id: UUID, timeout_seconds: float | None) -> RunRecord:
        event = asyncio.Event()
        waiting = self._events.setdefault(run_id, [])
        waiting.append(event)
        try:
            return await self._look_until_ended(run_id, event, timeout_seconds)
        finally:
            waiting.remove(event)
            if not waiting:
                del self._events[run_id]

    async def _look_until_ended(self, run_id: UUID, event: asyncio.Event, timeout_seconds: float | None) -> RunRecord:
        began = self._clock.now()
        pause = _FIRST_LOOK_SECONDS
        while True:
            event.clear()  # before looking: no end is missed, and a run that was retried meanwhile is waited for
            record = await self._store.get_run(run_id)
            if record is None:
                raise RunNotFound(f"there is no run {run_id}")
            if record.status.is_final:
                return record
            if self._is_closed:
                raise StorageUnavailable(f"the engine was stopped before run {run_id} had ended; the run goes on later")
            left = None if timeout_seconds is None else timeout_seconds - (self._clock.now() - began).total_seconds()
            if left is not None and left <= 0:
                raise WaitTimeout(f"run {run_id} has not ended after {timeout_seconds:g} seconds; it goes on")
            await self._clock.wait(event, self._pause(pause, left))
            pause = min(pause * 2, _LONGEST_LOOK_SECONDS)

    def _pause(self, pause: float, left: float | None) -> float | None:
        if not self._store.capabilities.shared_between_processes:
            return left
        return pause if left is None else min(pause, left)
