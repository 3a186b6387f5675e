"""Schedules as the store keeps them: how they stand, and what became of each tick."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias
from uuid import UUID

__all__ = ["Backfill", "BackfillOnly", "BackfillStatus", "ScheduleRecord", "TickOutcome", "TickRecord"]


class TickOutcome(StrEnum):
    """What became of a tick."""

    FIRED = "fired"
    """It started a run in time."""
    CAUGHT_UP = "caught_up"
    """It started a run late."""
    BACKFILLED = "backfilled"
    """It started a run because somebody asked for it."""
    SKIPPED = "skipped"
    """A run of the trigger was still going on."""
    MISSED = "missed"
    """Nobody was there, and it was not caught up with."""
    FAILED = "failed"
    """The run could not be started."""

    @property
    def has_run(self) -> bool:
        return self in (TickOutcome.FIRED, TickOutcome.CAUGHT_UP, TickOutcome.BACKFILLED)


@dataclass(frozen=True, slots=True)
class TickRecord:
    """One tick that has come. ``scheduled_at`` is its time by the schedule, ``recorded_at`` when it was dealt with."""

    flow_id: UUID
    trigger_key: str
    scheduled_at: datetime
    outcome: TickOutcome
    recorded_at: datetime
    run_id: UUID | None = None
    why: str | None = None

    @property
    def lag_seconds(self) -> float:
        """How late it was dealt with."""
        return (self.recorded_at - self.scheduled_at).total_seconds()


BackfillOnly: TypeAlias = Literal["missing", "failed", "all"]
"""Which ticks a backfill starts runs for: those without a run, those whose run did not succeed, or all."""


class BackfillStatus(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    ABORTED = "aborted"
    DONE = "done"

    @property
    def is_over(self) -> bool:
        return self in (BackfillStatus.ABORTED, BackfillStatus.DONE)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Runs for the ticks from ``start`` to ``end``, at most ``max_active`` at once. ``position`` is the next instant to
    look at: everything before it is dealt with."""

    start: datetime
    end: datetime
    only: BackfillOnly
    max_active: int
    asked_at: datetime
    position: datetime
    status: BackfillStatus = BackfillStatus.RUNNING
    started: int = 0
    """Runs so far."""
    passed_over: int = 0
    """Ticks so far that ``only`` leaves out."""
    active: tuple[UUID, ...] = ()
    """Runs that have not been seen to end."""

    def to_json(self) -> dict[str, Any]:
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "only": self.only,
            "maxActive": self.max_active,
            "askedAt": self.asked_at.isoformat(),
            "position": self.position.isoformat(),
            "status": self.status.value,
            "started": self.started,
            "passedOver": self.passed_over,
            "active": [str(run_id) for run_id in self.active],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Backfill:
        return cls(
            start=datetime.fromisoformat(value["start"]),
            end=datetime.fromisoformat(value["end"]),
            only=value["only"],
            max_active=value["maxActive"],
            asked_at=datetime.fromisoformat(value["askedAt"]),
            position=datetime.fromisoformat(value["position"]),
            status=BackfillStatus(value["status"]),
            started=value["started"],
            passed_over=value["passedOver"],
            active=tuple(UUID(run_id) for run_id in value["active"]),
        )


@dataclass(frozen=True, slots=True)
class ScheduleRecord:
    """How the schedule of one trigger stands.

    ``revision`` goes up with every change, and whoever changes it must have seen the last one: 0 is a schedule that the
    store does not have yet.
    """

    flow_id: UUID
    trigger_key: str
    definition: str
    """The trigger in the code, as JSON."""
    override: str | None = None
    """A cron expression that was set in place of the trigger's own time."""
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    """None for a pause that somebody has to end."""
    pause_reason: str | None = None
    retired_at: datetime | None = None
    """The trigger is in the code no more."""
    next_fire_at: datetime | None = None
    """The tick that comes next; None when there is none, by the schedule or because it is paused or retired."""
    due_at: datetime | None = None
    """When to start its run: later than the tick by its jitter. None while it waits for a run to end."""
    waits_for: UUID | None = None
    """The run that has to end before the next tick starts one."""
    last_tick_at: datetime | None = None
    backfill: Backfill | None = None
    """The backfill that was asked for last."""
    revision: int = 0
    updated_at: datetime | None = None

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @property
    def has_backfill_to_do(self) -> bool:
        return self.backfill is not None and self.backfill.status is BackfillStatus.RUNNING
