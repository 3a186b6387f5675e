"""Waiting for runs to end, whoever ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

from floworch.core.engine.endings import EndedRun
from floworch.core.model.ids import RunKey
from floworch.core.model.records import RunRecord
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import RunNotFound, StorageUnavailable, WaitTimeout

__all__ = ["Waiters"]

_FIRST_LOOK_SECONDS = 0.05
_LONGEST_LOOK_SECONDS = 2.0


class _Waiter:
    """One caller, who sleeps until there is news of the run, or for a while.

    What an event with a timeout would do, with a third of the objects: thousands may wait at once.
    """

    __slots__ = ("_sleeping", "ended", "has_news")

    def __init__(self) -> None:
        self.ended: EndedRun | None = None
        self.has_news = False
        self._sleeping: asyncio.Future[None] | None = None

    def tell(self, ended: EndedRun | None) -> None:
        self.ended, self.has_news = ended, True
        if self._sleeping is not None:
            _wake(self._sleeping)

    async def sleep(self, seconds: float | None) -> None:
        if self.has_news:
            return
        loop = asyncio.get_running_loop()
        self._sleeping = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, _wake, self._sleeping)
        try:
            await self._sleeping
        finally:
            if timer is not None:
                timer.cancel()


class Waiters:
    """This process's own runs wake their waiters; the store is asked now and then for runs that others end.

    ``is_ours`` tells whether this process advances a run, so that its end will be heard of.
    """

    def __init__(self, store: Storage, clock: Clock, is_ours: Callable[[UUID], bool], patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._store = store
        self._clock = clock
        self._is_ours = is_ours
        self._waiting: dict[RunKey, list[_Waiter]] = {}
        self._is_closed = False

    def expects(self, run_id: UUID) -> bool:
        """Whether anybody waits for the run."""
        return run_id.int in self._waiting

    def ended(self, run_id: UUID, ended: EndedRun | None) -> None:
        """The run has ended; who waits and is not told how reads it."""
        self._tell(run_id.int, ended)

    def close(self) -> None:
        """Whoever still waits gets StorageUnavailable: this process will not see the end of the run."""
        self._is_closed = True
        for run in self._waiting:
            self._tell(run, None)

    async def wait(self, run_id: UUID, timeout_seconds: float | None) -> EndedRun:
        """The run once it has ended. Raises RunNotFound, WaitTimeout, StorageUnavailable."""
        waiter = _Waiter()
        waiting = self._waiting.setdefault(run_id.int, [])
        waiting.append(waiter)
        try:
            return await self._wait(run_id, waiter, timeout_seconds)
        finally:
            waiting.remove(waiter)
            if not waiting:
                del self._waiting[run_id.int]

    async def _wait(self, run_id: UUID, waiter: _Waiter, timeout_seconds: float | None) -> EndedRun:
        began = seen_at = self._clock.now()
        is_ours = self._is_ours(run_id)
        pause = _LONGEST_LOOK_SECONDS if is_ours else _FIRST_LOOK_SECONDS
        while True:
            if not is_ours:
                waiter.has_news = False  # before looking: no end is missed
                try:
                    record = await self._look(run_id)
                except StorageUnavailable:
                    if (self._clock.now() - seen_at).total_seconds() >= self._patience_seconds:
                        raise
                else:
                    seen_at = self._clock.now()
                    if record.status.is_final:
                        return EndedRun(record)
            is_ours = False
            if self._is_closed:
                raise StorageUnavailable(f"the engine was stopped before run {run_id} had ended; the run goes on later")
            left = None if timeout_seconds is None else timeout_seconds - (self._clock.now() - began).total_seconds()
            if left is not None and left <= 0:
                raise WaitTimeout(f"run {run_id} has not ended after {timeout_seconds:g} seconds; it goes on")
            await waiter.sleep(self._pause(pause, left))
            if waiter.ended is not None:
                return waiter.ended
            pause = min(pause * 2, _LONGEST_LOOK_SECONDS)

    def _tell(self, run: RunKey, ended: EndedRun | None) -> None:
        for waiter in self._waiting.get(run, ()):
            waiter.tell(ended)

    async def _look(self, run_id: UUID) -> RunRecord:
        record = await self._store.get_run(run_id)
        if record is None:
            raise RunNotFound(f"there is no run {run_id}")
        return record

    def _pause(self, pause: float, left: float | None) -> float | None:
        if not self._store.capabilities.shared_between_processes:
            return left
        return pause if left is None else min(pause, left)


def _wake(sleeping: asyncio.Future[None]) -> None:
    if not sleeping.done():
        sleeping.set_result(None)
