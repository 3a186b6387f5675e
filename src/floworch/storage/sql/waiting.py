"""Finds what waits: for a worker, for a time, for a sign of life. Keeps leases alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select

from floworch.core.ports.storage import DueWork, LeaseKey, LeaseState, LostLease, ReadyStep, TimerKey
from floworch.storage.sql.bulk import Statement
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.states import chunks
from floworch.storage.sql.tables import Tables

__all__ = ["find_due", "find_ready", "renew_leases"]

_RUNS_PER_QUERY = 500


def find_ready(
    connection: Connection, tables: Tables, limit: int, step_types: frozenset[str], flow_ids: frozenset[UUID]
) -> list[ReadyStep]:
    """See :meth:`Storage.ready <floworch.core.ports.storage.Storage.ready>`."""
    step, run = tables.step.c, tables.run.c
    wanted = (
        select(step.run_id, step.step_key, step.attempt, step.type, run.flow_id)
        .join_from(tables.step, tables.run, run.id == step.run_id)
        .where(_is(step.status, "Ready"), run.status == "Running", run.stop_kind.is_(None))
        .where(step.type.in_(sorted(step_types)), run.flow_id.in_(sorted(flow_ids)))
        .order_by(step.ready_at, step.run_id, step.place)
        .limit(limit)
    )
    return [ReadyStep(*row) for row in connection.execute(wanted)]


def find_due(
    connection: Connection, tables: Tables, now: datetime, lease_now: ColumnElement[Any], limit: int
) -> DueWork:
    """See :meth:`Storage.due <floworch.core.ports.storage.Storage.due>`."""
    step, run = tables.step.c, tables.run.c
    waits_for_time = _is(step.status, "Pending")
    is_leased = step.lease_until.is_not(None)
    has_deadline = (run.deadline.is_not(None), _is(run.status, "Running"), run.stop_kind.is_(None))
    timers = select(step.run_id, step.step_key, step.attempt).where(waits_for_time, step.due_at <= now)
    lost = select(step.run_id, step.step_key, step.attempt, step.owner).where(is_leased, step.lease_until <= lease_now)
    ended = select(run.id).where(*has_deadline, run.deadline <= now)
    return DueWork(
        timers=[TimerKey(*row) for row in _first(connection, timers, step.due_at, limit)],
        lost=[LostLease(*row) for row in _first(connection, lost, step.lease_until, limit)],
        deadlines=[row.id for row in _first(connection, ended, run.deadline, limit)],
        next_at=_earliest(
            connection,
            select(func.min(step.due_at)).where(waits_for_time, step.due_at > now),
            select(func.min(step.lease_until)).where(is_leased, step.lease_until > lease_now),
            select(func.min(run.deadline)).where(*has_deadline, run.deadline > now),
        ),
    )


def renew_leases(
    connection: Connection,
    tables: Tables,
    dialect: SqlDialect,
    statement: Statement,
    owner: str,
    leases: Mapping[LeaseKey, float],
    now: datetime,
) -> dict[LeaseKey, LeaseState]:
    """See :meth:`Storage.renew <floworch.core.ports.storage.Storage.renew>`."""
    in_order = sorted(leases, key=lambda key: (str(key.run_id), key.step_key, key.attempt))
    rows = [(dialect.lease(leases[key], now), str(key.run_id), key.step_key, key.attempt, owner) for key in in_order]
    held = dict(zip(in_order, statement.apply_each(connection, rows), strict=True))
    stopping = _stopping(connection, tables, sorted({key.run_id for key, is_held in held.items() if is_held}))
    return {key: _state(held[key], key.run_id in stopping) for key in leases}


def _state(is_held: bool, is_stopping: bool) -> LeaseState:
    if not is_held:
        return LeaseState.LOST
    return LeaseState.STOP_REQUESTED if is_stopping else LeaseState.HELD


def _stopping(connection: Connection, tables: Tables, run_ids: Sequence[UUID]) -> set[UUID]:
    run = tables.run.c
    found: set[UUID] = set()
    for ids in chunks(run_ids, _RUNS_PER_QUERY):
        found.update(connection.execute(select(run.id).where(run.id.in_(ids), run.stop_kind.is_not(None))).scalars())
    return found


def _first(connection: Connection, wanted: Select[Any], by: ColumnElement[Any], limit: int) -> Sequence[Any]:
    return connection.execute(wanted.order_by(by).limit(limit)).all()


def _earliest(connection: Connection, *questions: Select[Any]) -> datetime | None:
    answers = [connection.execute(question).scalar() for question in questions]
    return min((at for at in answers if at is not None), default=None)


def _is(column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    # Written out: a partial index serves only a query that shows its condition.
    return column == literal_column(f"'{word}'")
