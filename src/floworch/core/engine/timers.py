"""What time brings: due timers, lost leases, passed deadlines, and ready steps that nobody has taken.

One loop per process reads the next due rows in order and sleeps until the earliest one. Nothing waits in memory, so a
restart loses no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from traceback import format_exc
from uuid import UUID

from floworch.core.engine.availability import Availability, Backoff
from floworch.core.engine.settings import EngineSettings
from floworch.core.engine.time_limits import why_time_is_up
from floworch.core.machine.commands import Command, LeaseExpired, StopRun, TimerFired
from floworch.core.machine.reduce import Fenced
from floworch.core.model.status import StopKind
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import DueWork, LostLease, Storage
from floworch.errors import InvalidTransition, ManifestNotUnderstood, StorageError, StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Timers"]

_MOST_AT_ONCE = 500
_SHORTEST_PAUSE_SECONDS = 0.01
_HARMLESS = (Fenced, InvalidTransition, ManifestNotUnderstood, StorageUnavailable)
"""It is over already, or it will be found again, or it is for newer processes."""


class Timers:
    """``submit`` hands a command to the engine; ``look_for_work`` fetches ready steps into free slots and tells whether
    there were any. ``is_at_work`` tells whether this process runs an attempt, ``tell_parent_of`` tells the parent of a
    run of its end."""

    def __init__(
        self,
        store: Storage,
        clock: Clock,
        settings: EngineSettings,
        submit: Callable[[UUID, Command], Awaitable[object]],
        look_for_work: Callable[[], Awaitable[bool]],
        is_at_work: Callable[[UUID, str, int], bool],
        tell_parent_of: Callable[[UUID], Awaitable[None]],
        availability: Availability,
        chance: Random,
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._clock = clock
        self._settings = settings
        self._submit = submit
        self._look_for_work = look_for_work
        self._is_at_work = is_at_work
        self._tell_parent_of = tell_parent_of
        self._availability = availability
        self._backoff = Backoff(chance)
        self._ours: dict[LostLease, datetime] = {}
        """Leases of this process that were found to have run out → when that was first seen."""
        self._wake = asyncio.Event()
        self._sleeps_until: datetime | None = None
        self._looks_at: datetime | None = None
        self._stopping = False
        self._is_woken = False
        self._idle_pause = settings.poll_interval_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self, *, is_woken: bool) -> None:
        """``is_woken`` tells that the store calls when others leave work."""
        self._is_woken = is_woken
        self._task = asyncio.create_task(self._run(), name="floworch-timers")

    async def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def arm(self, at: datetime) -> None:
        """A timer for that moment was committed: wake up in time."""
        if self._sleeps_until is None or at < self._sleeps_until:
            self._wake.set()

    def look(self) -> None:
        """Look for work now."""
        self._wake.set()

    def look_at(self, at: datetime) -> None:
        """Look for work then, whatever is due. For who is looking just now; the next look forgets it."""
        self._looks_at = at

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                work = await self._store.due(self._clock.now(), _MOST_AT_ONCE)
                self._availability.succeeded("polling")
                is_early = self._spare_the_living(work)
                await self._carry_out(work)
                self._looks_at = None
                has_found_steps = await self._look_for_work()
                self._idle_pause = self._next_idle_pause(is_idle=not has_found_steps and _is_empty(work))
                pause = 0.0 if _is_full(work) else self._pause(_earliest(work.next_at, self._looks_at))
                if is_early:
                    pause = min(pause, self._settings.poll_interval_seconds)
                self._backoff.reset()
            except StorageUnavailable as error:
                self._availability.failed("polling", error)
                pause = self._backoff.next_seconds()
            except StorageError as error:
                self._log.error("timers_failed", error=str(error))
                pause = self._settings.poll_interval_seconds
            except Exception:  # noqa: BLE001 - the top of a background loop
                self._log.error("timers_failed", traceback=format_exc())
                pause = self._settings.poll_interval_seconds
            await self._sleep(pause)

    def _spare_the_living(self, work: DueWork) -> bool:
        """Leave out leases that are likely to be renewed although they have run out; whether there are any.

        Those of this process have run out because it was paused: there is time for one more heartbeat. During an outage
        nobody could renew any: after it, everybody has the time of a lease to come back.
        """
        now = self._clock.now()
        grace_seconds = 1.5 * self._settings.heartbeat_seconds
        after_outage = self._availability.has_had_long_outage(within_seconds=self._settings.lease_seconds)
        found = work.lost
        self._ours = {lease: self._ours.get(lease, now) for lease in found if self._is_ours(lease)}
        spared = {lease for lease, since in self._ours.items() if now - since < timedelta(seconds=grace_seconds)}
        work.lost = [] if after_outage else [lease for lease in found if lease not in spared]
        return len(work.lost) < len(found)

    def _is_ours(self, lease: LostLease) -> bool:
        return lease.owner == self._settings.worker_id and self._is_at_work(lease.run_id, lease.step_key, lease.attempt)

    async def _carry_out(self, work: DueWork) -> None:
        await asyncio.gather(*map(self._tell_parent_of, work.children))
        commands = [*_commands(work, self._settings.max_lost_attempts)]
        answers = await asyncio.gather(
            *(self._submit(run_id, command) for run_id, command in commands),
            *map(self._time_out, work.deadlines),
            return_exceptions=True,
        )
        asked = [
            *((run_id, type(command)) for run_id, command in commands),
            *((each, StopRun) for each in work.deadlines),
        ]
        for (run_id, command), answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, _HARMLESS):
                self._log.error("timer_failed", run_id=str(run_id), command=command.__name__, error=repr(answer))

    async def _time_out(self, run_id: UUID) -> None:
        await self._submit(run_id, StopRun(StopKind.TIMED_OUT, await why_time_is_up(self._store, run_id)))

    def _next_idle_pause(self, *, is_idle: bool) -> float:
        shortest = self._settings.poll_interval_seconds
        longest = self._settings.idle_poll_seconds if self._is_woken else 2 * shortest
        return min(2 * self._idle_pause, max(longest, shortest)) if is_idle else shortest

    def _pause(self, next_at: datetime | None) -> float:
        longest = self._idle_pause if self._polls else 3600.0
        if next_at is None:
            return longest
        # Leases are counted on the store's clock. Where that is behind ours, the next one is overdue and not lost yet.
        return min(max((next_at - self._clock.now()).total_seconds(), _SHORTEST_PAUSE_SECONDS), longest)

    @property
    def _polls(self) -> bool:
        return self._store.capabilities.shared_between_processes

    async def _sleep(self, seconds: float) -> None:
        now = self._clock.now()
        self._sleeps_until = datetime.fromtimestamp(now.timestamp() + seconds, now.tzinfo)
        await self._clock.wait(self._wake, seconds)
        self._sleeps_until = None


def _commands(work: DueWork, max_lost: int) -> Sequence[tuple[UUID, Command]]:
    return [
        *((timer.run_id, TimerFired(timer.step_key, timer.attempt)) for timer in work.timers),
        *((lease.run_id, LeaseExpired(lease.step_key, lease.attempt, max_lost)) for lease in work.lost),
    ]


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _is_empty(work: DueWork) -> bool:
    return not (work.timers or work.lost or work.deadlines or work.children)


def _is_full(work: DueWork) -> bool:
    return max(len(work.timers), len(work.lost), len(work.deadlines), len(work.children)) >= _MOST_AT_ONCE
