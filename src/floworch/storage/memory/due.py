"""What has to be done because its time has come, found by looking through all runs that go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import DueWork, LostLease, TimerKey
from floworch.storage.memory.rows import RunRow

__all__ = ["due_work"]

T = TypeVar("T")


def due_work(
    active: Mapping[UUID, RunRow],
    untold: Mapping[UUID, RunRow],
    now: datetime,
    limit: int,
    *,
    leases_now: datetime,
) -> DueWork:
    """At most ``limit`` of each kind. Leases are counted on the clock of the store, which shows ``leases_now``;
    ``untold`` are ended runs whose parents have not heard of it."""
    timers: list[tuple[datetime, TimerKey]] = []
    leases: list[tuple[datetime, LostLease]] = []
    deadlines: list[tuple[datetime, UUID]] = []
    for run_id, run in active.items():
        if run.deadline is not None and run.stop is None:
            deadlines.append((run.deadline, run_id))
        for key, row in run.steps.items():
            state = row.state
            if state.status is StepStatus.PENDING and state.due_at is not None:
                timers.append((state.due_at, TimerKey(run_id, key, state.attempt)))
            elif state.status is StepStatus.RUNNING and row.lease_until is not None:
                leases.append((row.lease_until, LostLease(run_id, key, state.attempt, state.owner or "")))
    work = DueWork(
        timers=_due(timers, now, limit),
        lost=_due(leases, leases_now, limit),
        deadlines=_due(deadlines, now, limit),
        children=_earliest([(run.ended_at, run_id) for run_id, run in untold.items() if run.ended_at], limit),
    )
    later = [at for found in (timers, leases, deadlines) for at, _ in found if at > now]
    work.next_at = min(later, default=None)
    return work


def _due(found: Iterable[tuple[datetime, T]], now: datetime, limit: int) -> list[T]:
    return _earliest([(at, item) for at, item in found if at <= now], limit)


def _earliest(found: Iterable[tuple[datetime, T]], limit: int) -> list[T]:
    return [item for _, item in sorted(found, key=lambda pair: pair[0])[:limit]]
