"""Ends of runs that somebody wants to be told of: a part of the storage port."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from floworch.core.model.status import RunStatus

__all__ = ["DueNotice", "DueNotices", "NoticeStorage"]


@dataclass(frozen=True, slots=True)
class DueNotice:
    """A run that has ended, and of which somebody is to be told from ``at`` on. ``tries`` have been made."""

    run_id: UUID
    flow_id: UUID
    status: RunStatus
    at: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class DueNotices:
    """``next_at`` is the earliest instant after ``now`` at which there is more, if there is any."""

    due: Sequence[DueNotice]
    next_at: datetime | None = None


class NoticeStorage(ABC):
    """The commit that ends a run leaves a mark with a time on it (:attr:`RunWrite.tells_end
    <floworch.core.ports.changes.RunWrite.tells_end>`). Whoever wants to tell of it moves the time ahead first, by
    compare-and-swap: that keeps the others away, and is when they try again should this one die."""

    @abstractmethod
    async def due_notices(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueNotices:
        """Up to ``limit`` marks of runs of these flows whose time has come, earliest first. Reads only."""

    @abstractmethod
    async def move_notice(self, run_id: UUID, seen: datetime, at: datetime | None, tries: int) -> bool:
        """Give the mark another time, or take it away (None), unless its time is another one than the one ``seen``.

        Whether it was done.
        """
