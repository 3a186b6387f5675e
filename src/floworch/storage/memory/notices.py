"""Ends of runs that somebody is to be told of, in the in-memory store."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from floworch.core.ports.notices import DueNotice, DueNotices, NoticeStorage
from floworch.storage.memory.rows import RunRow

__all__ = ["KeepsNotices", "Notices"]


class Notices:
    """Runs with a mark, each with its time and the number of tries."""

    def __init__(self) -> None:
        self._marks: dict[UUID, tuple[RunRow, datetime, int]] = {}

    def mark(self, run: RunRow, at: datetime | None) -> None:
        """Set the mark anew, or take it away."""
        self._marks.pop(run.facts.run_id, None)
        if at is not None:
            self._marks[run.facts.run_id] = run, at, 0

    def due(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueNotices:
        """See :meth:`NoticeStorage.due_notices <floworch.core.ports.notices.NoticeStorage.due_notices>`."""
        found = [
            DueNotice(run_id, run.facts.flow_id, run.status, at, tries)
            for run_id, (run, at, tries) in self._marks.items()
            if run.facts.flow_id in flow_ids
        ]
        due = sorted((notice for notice in found if notice.at <= now), key=lambda notice: notice.at)
        return DueNotices(due[:limit], min((notice.at for notice in found if notice.at > now), default=None))

    def move(self, run_id: UUID, seen: datetime, at: datetime | None, tries: int) -> bool:
        """See :meth:`NoticeStorage.move_notice <floworch.core.ports.notices.NoticeStorage.move_notice>`."""
        run, found, _ = self._marks.get(run_id, (None, None, 0))
        if run is None or found != seen:
            return False
        self.mark(run, None)
        if at is not None:
            self._marks[run_id] = run, at, tries
        return True


class KeepsNotices(NoticeStorage):
    """The part of the store that is about notices."""

    _notices: Notices

    async def due_notices(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueNotices:
        return self._notices.due(now, limit, flow_ids)

    async def move_notice(self, run_id: UUID, seen: datetime, at: datetime | None, tries: int) -> bool:
        return self._notices.move(run_id, seen, at, tries)
