"""Looks whether everything works: this process, the store, and what should not have to wait in it.

Cheap enough to be asked every few seconds: each question reads one short range of an index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from floworch.core.engine.availability import Availability
from floworch.core.engine.committer import Committer
from floworch.core.engine.limits import without_exhausted
from floworch.core.engine.plans import Plans
from floworch.core.engine.settings import EngineSettings
from floworch.core.explain.health import Health, HealthFacts, Overdue, judge
from floworch.core.model.records import StepRecord
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import DueWork, ReadyStep, Storage, TimerKey
from floworch.errors import StorageError

__all__ = ["Checkup"]

_MOST_LOOKED_AT: Final = 20
_MOST_BATCHES: Final = 4
"""With more of them waiting, the store does not keep up."""


class Checkup:
    """``step_types`` are all types of the steps of this process's flows, also those that it has no handlers for."""

    def __init__(
        self,
        store: Storage,
        plans: Plans,
        committer: Committer,
        clock: Clock,
        settings: EngineSettings,
        availability: Availability,
        step_types: frozenset[str],
    ) -> None:
        self._store = store
        self._plans = plans
        self._committer = committer
        self._clock = clock
        self._settings = settings
        self._availability = availability
        self._step_types = step_types

    async def health(self, timeout_seconds: float) -> Health:
        """A store that has not answered by then counts as one that cannot be reached."""
        return judge(await self._facts(timeout_seconds))

    async def _facts(self, timeout_seconds: float) -> HealthFacts:
        now = self._clock.now()
        if not self._committer.is_running:
            return HealthFacts(now=now, is_started=False)
        if not self._availability.is_up:
            return HealthFacts(now=now, storage_error="it was not there when it was last needed")
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._asked(now)
        except TimeoutError:
            return HealthFacts(now=now, storage_error=f"it has not answered within {timeout_seconds:g} seconds")
        except StorageError as error:
            return HealthFacts(now=now, storage_error=str(error))

    async def _asked(self, now: datetime) -> HealthFacts:
        grace = timedelta(seconds=self._settings.ready_grace_seconds)
        due = await self._store.due(now - grace, _MOST_LOOKED_AT)
        steps = await self._waiting_steps(now - grace)
        return HealthFacts(
            now=now,
            commits_waiting=self._committer.backlog,
            most_commits=_MOST_BATCHES * self._settings.max_batch,
            is_anybody_at_work=await self._store.is_any_lease_held() if steps else True,
            steps=steps,
            leases=await self._expired_leases(due, now - grace),
            timers=[await self._timer(key) for key in due.timers],
            deadlines=[await self._deadline(run_id) for run_id in due.deadlines],
            schedules=await self._late_schedules(now),
        )

    async def _waiting_steps(self, before: datetime) -> Sequence[Overdue]:
        """Of each flow the step whose turn it is, if it is ready since then. What a limit holds back does not count."""
        use = await self._store.limit_use()
        exhausted = use.tally().exhausted
        open_ = without_exhausted(exhausted, self._step_types, self._plans.current)
        first: dict[UUID, ReadyStep] = {}
        for step in await self._store.ready(_MOST_LOOKED_AT, *open_):
            first.setdefault(step.flow_id, step)
        rows = [(step, await self._row(step.run_id, step.step_key)) for step in first.values()]
        return [
            Overdue({**_names(step.run_id, step.step_key), "type": row.type}, row.ready_at)
            for step, row in rows
            if row is not None and row.ready_at is not None and row.ready_at < before
        ]

    async def _expired_leases(self, due: DueWork, before: datetime) -> Sequence[Overdue]:
        """Counted from when they ran out: those that have only just, some process is about to see to."""
        rows = [(lost, await self._row(lost.run_id, lost.step_key)) for lost in due.lost[:_MOST_LOOKED_AT]]
        return [
            Overdue({**_names(lost.run_id, lost.step_key), "worker": lost.owner}, row.lease_until)
            for lost, row in rows
            if row is not None and row.lease_until is not None and row.lease_until < before
        ]

    async def _timer(self, timer: TimerKey) -> Overdue:
        row = await self._row(timer.run_id, timer.step_key)
        return Overdue(_names(timer.run_id, timer.step_key), None if row is None else row.due_at)

    async def _deadline(self, run_id: UUID) -> Overdue:
        run = await self._store.get_run(run_id)
        return Overdue({"runId": str(run_id)}, None if run is None else run.deadline)

    async def _late_schedules(self, now: datetime) -> Sequence[Overdue]:
        before = now - timedelta(seconds=self._settings.schedule_grace_seconds)
        found = await self._store.due_schedules(before, _MOST_LOOKED_AT, frozenset(self._plans.current))
        return [
            Overdue({"flow": self._plans.current[each.flow_id].flow_name, "trigger": each.trigger_key}, each.due_at)
            for each in found.due
            if each.due_at is not None and each.due_at < before
        ]

    async def _row(self, run_id: UUID, step_key: str) -> StepRecord | None:
        return next(iter(await self._store.list_steps(run_id, keys=frozenset((step_key,)))), None)


def _names(run_id: UUID, step_key: str) -> dict[str, str]:
    return {"runId": str(run_id), "stepKey": step_key}
