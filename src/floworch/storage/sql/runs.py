"""Answers questions about runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select, union_all

from floworch.core.model.records import RunRecord
from floworch.core.model.status import RunStatus
from floworch.core.ports.storage import RunFilter, RunPage
from floworch.storage.sql.cursor import Cursor
from floworch.storage.sql.search import has_failed_with, with_tags
from floworch.storage.sql.statements import ENDED
from floworch.storage.sql.states import stop_request, tags_of
from floworch.storage.sql.tables import Tables

__all__ = ["count_runs", "find_run_by_key", "get_run", "list_runs", "runs_page"]


def get_run(connection: Connection, tables: Tables, run_id: UUID) -> RunRecord | None:
    row = connection.execute(_records(tables).where(tables.run.c.id == run_id)).one_or_none()
    return None if row is None else _record(row)


def find_run_by_key(connection: Connection, tables: Tables, flow_id: UUID, key: str) -> UUID | None:
    c = tables.idempotency_key.c
    found: UUID | None = connection.execute(select(c.run_id).where(c.flow_id == flow_id, c.key == key)).scalar()
    return found


def list_runs(connection: Connection, tables: Tables, where: RunFilter, limit: int, cursor: Cursor | None) -> RunPage:
    """See :meth:`Storage.list_runs <floworch.core.ports.storage.Storage.list_runs>`."""
    rows = connection.execute(runs_page(tables, where, limit + 1, cursor)).all()
    runs = [_record(row) for row in rows[:limit]]
    has_more = len(rows) > limit and bool(runs)
    return RunPage(runs, str(Cursor(runs[-1].started_at, runs[-1].id)) if has_more else None)


def runs_page(tables: Tables, where: RunFilter, limit: int, after: Cursor | None) -> Select[*tuple[Any, ...]]:
    """Asks for runs in the order that all indexes of the table end with, read backwards.

    Several statuses are a page of each, merged: there is no index in whose order they are mixed. Where tags are asked
    for, one of them leads to the runs.
    """
    where = _with_what_follows(where)
    if where.statuses is None or len(where.statuses) < 2 or where.tags:
        return _page(tables, where, limit, after)
    each = [_page(tables, replace(where, statuses=frozenset({s})), limit, after) for s in sorted(where.statuses)]
    found = union_all(*(select(page.subquery()) for page in each)).subquery()
    return select(found).order_by(found.c.started_at.desc(), found.c.id.desc()).limit(limit)


def _with_what_follows(where: RunFilter) -> RunFilter:
    """There is no index by end: but what has ended has a final status, and was started before."""
    if where.ended_from is None and where.ended_before is None:
        return where
    bounds = [at for at in (where.started_before, where.ended_before) if at is not None]
    return replace(
        where,
        statuses=frozenset(map(RunStatus, ENDED)) if where.statuses is None else where.statuses,
        started_before=min(bounds, default=None),
    )


def _page(tables: Tables, where: RunFilter, limit: int, after: Cursor | None) -> Select[*tuple[Any, ...]]:
    wanted = _records(tables).where(*_conditions(tables, where))
    started_at, run_id = tables.run.c.started_at, tables.run.c.id
    if where.tags:
        wanted = with_tags(wanted, tables, where.tags)
        started_at, run_id = tables.run_tag.c.started_at, tables.run_tag.c.run_id
    wanted = wanted.where(*_span(started_at, where))
    if after is not None:
        # Not `a < x OR (a = x AND …)`: an index can start from the first of these two.
        wanted = wanted.where(started_at <= after.at)
        wanted = wanted.where(or_(started_at < after.at, run_id < after.run_id))
    return wanted.order_by(started_at.desc(), run_id.desc()).limit(limit)


def count_runs(connection: Connection, tables: Tables) -> dict[RunStatus, int]:
    c = tables.run.c
    found = connection.execute(select(c.status, func.count()).group_by(c.status))
    return dict.fromkeys(RunStatus, 0) | {RunStatus(status): count for status, count in found}


def _conditions(tables: Tables, where: RunFilter) -> list[ColumnElement[bool]]:
    c = tables.run.c
    conditions: list[ColumnElement[bool]] = []
    if where.flow_id is not None:
        conditions.append(c.flow_id == where.flow_id)
    if where.statuses is not None:
        conditions.append(c.status.in_(sorted(where.statuses)))
    if where.ended_from is not None:
        conditions.append(c.ended_at >= where.ended_from)
    if where.ended_before is not None:
        conditions.append(c.ended_at < where.ended_before)
    if where.source_run_id is not None:
        conditions.append(c.source_run_id == where.source_run_id)
    if where.trigger_key is not None:
        conditions.append(c.trigger_key == where.trigger_key)
    if where.suspended is not None:
        conditions.append(c.suspended_at.is_not(None) if where.suspended else c.suspended_at.is_(None))
    if where.parent_run_id is not None:
        conditions.append(c.parent_run_id == where.parent_run_id)
    if where.error is not None:
        conditions.append(has_failed_with(tables, where.error))
    return conditions


def _span(started_at: ColumnElement[Any], where: RunFilter) -> list[ColumnElement[bool]]:
    first = [] if where.started_from is None else [started_at >= where.started_from]
    return first if where.started_before is None else [*first, started_at < where.started_before]


def _records(tables: Tables) -> Select[*tuple[Any, ...]]:
    c = tables.run.c
    return select(*(column for column in c if column.name not in ("body", "headers")))


def _record(row: Row[*tuple[Any, ...]]) -> RunRecord:
    stop = stop_request(row)
    return RunRecord(
        id=row.id,
        flow_id=row.flow_id,
        flow_name=row.flow_name,
        flow_version=row.flow_version,
        manifest_hash=row.manifest_hash,
        status=RunStatus(row.status),
        trigger_key=row.trigger_key,
        revision=row.revision,
        started_at=row.started_at,
        ended_at=row.ended_at,
        deadline=row.deadline,
        stop_kind=None if stop is None else stop.kind,
        stop_reason=None if stop is None else stop.reason,
        idempotency_key=row.idempotency_key,
        source_run_id=row.source_run_id,
        scheduled_at=row.scheduled_at,
        parent_run_id=row.parent_run_id,
        parent_step_key=row.parent_step_key,
        suspended_at=row.suspended_at,
        suspend_reason=row.suspend_reason,
        suspended_by=row.suspended_by,
        tags=tags_of(row),
        concurrency_key=row.concurrency_key,
    )
