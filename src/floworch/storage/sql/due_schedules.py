"""Finds the schedules that there is something to do for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    cast,
    exists,
    literal_column,
    null,
    select,
    union_all,
)

from floworch.core.ports.schedules import DueSchedules
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.schedules import schedule_record
from floworch.storage.sql.statements import ENDED
from floworch.storage.sql.tables import Tables
from floworch.storage.sql.types import Instant

__all__ = ["DueScheduleLooks", "look_question"]

_FLOWS_PER_QUERY = 400
"""Each of them is five values, and SQL Server takes 2,100."""
_NOW = bindparam("now", type_=Instant)
_Question = Select[*tuple[Any, ...]]
_Asked: TypeAlias = tuple[int, frozenset[UUID]]


class DueScheduleLooks:
    """Finds them. The last question is kept, as in :class:`~floworch.storage.sql.waiting.ReadySteps`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: tuple[_Asked, list[CompoundSelect[*tuple[Any, ...]]]] | None = None

    def find(self, connection: Connection, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueSchedules:
        """See :meth:`ScheduleStorage.due_schedules <floworch.core.ports.schedules.ScheduleStorage.due_schedules>`."""
        found = DueSchedules()
        for question in self._questions((limit, flow_ids)):
            _add(found, connection.execute(question, {"now": now}))
        found.due.sort(key=lambda schedule: schedule.due_at or now)
        return found

    def _questions(self, asked: _Asked) -> list[CompoundSelect[*tuple[Any, ...]]]:
        kept = self._kept
        if kept is None or kept[0] != asked:
            limit, flow_ids = asked
            flows = chunks(sorted(flow_ids, key=str), _FLOWS_PER_QUERY)
            self._kept = kept = asked, [look_question(self._tables, limit, each) for each in flows]
        return kept[1]


def _add(found: DueSchedules, rows: Iterable[Any]) -> None:
    for row in rows:
        match row.kind:
            case "disabled":
                found.disabled |= {row.flow_id}
            case "due":
                found.due.append(schedule_record(row))
            case "backfill":
                found.backfills.append(schedule_record(row))
            case _:
                found.next_at = min(found.next_at or row.due_at, row.due_at)


def look_question(tables: Tables, limit: int, flow_ids: Sequence[UUID]) -> CompoundSelect[*tuple[Any, ...]]:
    """Asks for everything at once: a process that has nothing to do asks it over and over. Many flows may be asked for
    in parts, because nothing that is found is about two of them."""
    parts = [_kind("disabled", _disabled(tables, flow_ids))]
    if limit:
        parts += [
            _kind("due", _due(tables, limit, flow_ids)),
            _kind("due", _released(tables, limit, flow_ids)),
            _kind("backfill", _backfills(tables, limit, flow_ids)),
            _kind("next", _next(tables, flow_ids)),
        ]
    return union_all(*parts)


def _disabled(tables: Tables, flow_ids: Sequence[UUID]) -> _Question:
    """Asks which of the flows start no runs: rows of schedules in which all but the flow is null."""
    flow = tables.flow.c
    columns = {column.name: cast(null(), column.type) for column in tables.schedule.c} | {"flow_id": flow.id}
    wanted = select(*(column.label(name) for name, column in columns.items()))
    return wanted.where(flow.id.in_(flow_ids), flow.is_enabled == 0)


def _due(tables: Tables, limit: int, flow_ids: Sequence[UUID]) -> _Question:
    """Asks for schedules whose time has come, in the order of the index of those that have one."""
    c = tables.schedule.c
    conditions = (c.due_at.is_not(None), c.due_at <= _NOW, _of_enabled(tables, flow_ids))
    return select(tables.schedule).where(*conditions).order_by(c.due_at).limit(limit)


def _next(tables: Tables, flow_ids: Sequence[UUID]) -> _Question:
    """Asks for the one that is due next."""
    c = tables.schedule.c
    conditions = (c.due_at.is_not(None), c.due_at > _NOW, _of_enabled(tables, flow_ids))
    return select(tables.schedule).where(*conditions).order_by(c.due_at).limit(1)


def _released(tables: Tables, limit: int, flow_ids: Sequence[UUID]) -> _Question:
    """Asks for schedules that wait for a run which has ended, or is no more."""
    c, run = tables.schedule.c, tables.run.c
    goes_on = exists().where(and_(run.id == c.waits_for, run.status.not_in(ENDED)))
    return select(tables.schedule).where(c.waits_for.is_not(None), ~goes_on, _of_enabled(tables, flow_ids)).limit(limit)


def _backfills(tables: Tables, limit: int, flow_ids: Sequence[UUID]) -> _Question:
    """Asks for schedules with a backfill to go on with."""
    c = tables.schedule.c
    # Written out: a partial index serves only a query that shows its condition.
    has_one = c.backfills == literal_column("1")
    return select(tables.schedule).where(has_one, _of_enabled(tables, flow_ids)).limit(limit)


def _of_enabled(tables: Tables, flow_ids: Sequence[UUID]) -> ColumnElement[bool]:
    # The ids are compared here and not with the schedule's own: that would lead to its primary key, and so to all
    # schedules of the flows instead of to those that wait for something.
    c, flow = tables.schedule.c, tables.flow.c
    return exists().where(flow.id == c.flow_id, flow.id.in_(flow_ids), flow.is_enabled == literal_column("1"))


def _kind(kind: str, question: _Question) -> _Question:
    return select(literal_column(f"'{kind}'", String).label("kind"), question.subquery())
