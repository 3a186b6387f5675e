"""Finds the ends of runs that somebody is to be told of, and moves the time of that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Connection, select, union_all, update

from floworch.core.model.status import RunStatus
from floworch.core.ports.notices import DueNotice, DueNotices
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.tables import Tables

__all__ = ["due_notices", "move_notice", "notices_question"]

_FLOWS_PER_QUERY = 50


def due_notices(
    connection: Connection, tables: Tables, now: datetime, limit: int, flow_ids: frozenset[UUID]
) -> DueNotices:
    """See :meth:`NoticeStorage.due_notices <floworch.core.ports.notices.NoticeStorage.due_notices>`."""
    marks: list[DueNotice] = []
    for flows in chunks(sorted(flow_ids), _FLOWS_PER_QUERY):
        rows = connection.execute(notices_question(tables, limit + 1, flows))
        marks.extend(DueNotice(row.id, row.flow_id, RunStatus(row.status), *row[3:]) for row in rows)
    found = sorted(marks, key=lambda mark: mark.at)[: limit + 1]
    due = [notice for notice in found if notice.at <= now]
    return DueNotices(due[:limit], found[len(due)].at if len(due) < len(found) else None)


def notices_question(tables: Tables, limit: int, flow_ids: Sequence[UUID]) -> CompoundSelect[*tuple[Any, ...]]:
    """Asks for the first marks of each flow, due or not: one short range of the index that holds nothing else, however
    many have gathered while nobody could be told."""
    c = tables.run.c
    wanted = select(c.id, c.flow_id, c.status, c.notice_at, c.notice_tries).where(c.notice_at.is_not(None))
    each = (wanted.where(c.flow_id == flow_id).order_by(c.notice_at).limit(limit) for flow_id in flow_ids)
    return union_all(*(select(first.subquery()) for first in each))


def move_notice(
    connection: Connection, tables: Tables, run_id: UUID, seen: datetime, at: datetime | None, tries: int
) -> bool:
    """See :meth:`NoticeStorage.move_notice <floworch.core.ports.notices.NoticeStorage.move_notice>`."""
    run = tables.run
    change = update(run).where(run.c.id == run_id, run.c.notice_at == seen)
    return connection.execute(change.values(notice_at=at, notice_tries=tries)).rowcount == 1
