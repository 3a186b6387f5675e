"""What a store keeps of schedules, and how: a part of the storage port."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from floworch.core.model.schedules import ScheduleRecord, TickRecord

if TYPE_CHECKING:
    from floworch.core.ports.storage import Creation

__all__ = ["DueSchedules", "ScheduleChange", "ScheduleStorage"]


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """The whole new row of a schedule, with what is written if and only if that is: ticks, and the runs they start.

    ``schedule.revision`` is that of the row it replaces, 0 for a new one, and goes up by one. A tick that is recorded
    already is replaced. The runs have no idempotency keys.
    """

    schedule: ScheduleRecord
    ticks: Sequence[TickRecord] = ()
    runs: Sequence[Creation] = ()


@dataclass(slots=True)
class DueSchedules:
    """Schedules that there is something to do for. ``next_at`` is the earliest ``due_at`` after ``now``, if known."""

    due: list[ScheduleRecord] = field(default_factory=list)
    """``due_at`` has come, or the run has ended that they wait for."""
    backfills: list[ScheduleRecord] = field(default_factory=list)
    """They have a backfill to go on with."""
    next_at: datetime | None = None
    disabled: frozenset[UUID] = frozenset()
    """Those of the flows that start no runs."""


class ScheduleStorage(ABC):
    """A tick starts one run, however many processes see that it is due: each computes the new row of the schedule, and
    the store lets one of them write it, together with the run."""

    @abstractmethod
    async def change_schedules(self, changes: Sequence[ScheduleChange], caller: str | None = None) -> list[bool]:
        """Write all changes in one transaction, but for those whose schedule is not at its revision any more.

        Whether each one was written. Holds at most one change per schedule. ``caller`` as in
        :class:`~floworch.core.ports.storage.Batch`. Raises CommitUnclear as ``commit`` does.
        """

    @abstractmethod
    async def list_schedules(self, flow_ids: frozenset[UUID] | None = None) -> list[ScheduleRecord]:
        """All schedules, retired ones too, or those of these flows; by flow and trigger."""

    @abstractmethod
    async def due_schedules(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueSchedules:
        """Up to ``limit`` of each kind, of flows that are enabled and among these; earliest first. Reads only.

        With a limit of 0 it only tells which of the flows are disabled.
        """

    @abstractmethod
    async def list_ticks(
        self,
        flow_id: UUID,
        trigger_key: str,
        limit: int,
        *,
        first: datetime | None = None,
        last: datetime | None = None,
    ) -> list[TickRecord]:
        """Ticks of one schedule, from ``first`` to ``last`` (both included); latest first."""

    @abstractmethod
    async def delete_ticks(self, recorded_before: datetime, limit: int) -> int:
        """Forget at most so many ticks that were recorded before that; how many it was."""
