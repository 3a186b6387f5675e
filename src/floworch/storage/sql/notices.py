"""Finds the ends of runs that somebody is to be told of, and moves the time of that."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select, update

from floworch.core.model.status import RunStatus
from floworch.core.ports.notices import DueNotice, DueNotices
from floworch.storage.sql.tables import Tables

__all__ = ["due_notices", "move_notice", "notices_question"]


def due_notices(
    connection: Connection, tables: Tables, now: datetime, limit: int, flow_ids: frozenset[UUID]
) -> DueNotices:
    """See :meth:`NoticeStorage.due_notices <floworch.core.ports.notices.NoticeStorage.due_notices>`."""
    rows = connection.execute(notices_question(tables, limit + 1, flow_ids)).all()
    found = [DueNotice(row.id, row.flow_id, RunStatus(row.status), row.notice_at, row.notice_tries) for row in rows]
    due = [notice for notice in found if notice.at <= now]
    return DueNotices(due[:limit], found[len(due)].at if len(due) < len(found) else None)


def notices_question(tables: Tables, limit: int, flow_ids: frozenset[UUID]) -> Select[*tuple[Any, ...]]:
    """Asks for the first marks, due or not: short ranges of the index that holds nothing else."""
    c = tables.run.c
    wanted = select(c.id, c.flow_id, c.status, c.notice_at, c.notice_tries)
    return wanted.where(c.notice_at.is_not(None), c.flow_id.in_(sorted(flow_ids))).order_by(c.notice_at).limit(limit)


def move_notice(
    connection: Connection, tables: Tables, run_id: UUID, seen: datetime, at: datetime | None, tries: int
) -> bool:
    """See :meth:`NoticeStorage.move_notice <floworch.core.ports.notices.NoticeStorage.move_notice>`."""
    run = tables.run
    change = update(run).where(run.c.id == run_id, run.c.notice_at == seen)
    return connection.execute(change.values(notice_at=at, notice_tries=tries)).rowcount == 1
