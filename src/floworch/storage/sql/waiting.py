"""Finds what waits: for a worker, for a time, for a sign of life. Keeps leases alive."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    cast,
    exists,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from floworch.core.ports.fairness import fair_order
from floworch.core.ports.storage import DueWork, LeaseKey, LeaseState, LostLease, ReadyStep, TimerKey
from floworch.storage.sql.bulk import Statement
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.statements import ENDED
from floworch.storage.sql.tables import Tables
from floworch.storage.sql.words import is_none_of

__all__ = [
    "ReadySteps",
    "due_question",
    "find_due",
    "held_lease_question",
    "is_any_lease_held",
    "ready_question",
    "renew_leases",
]

_RUNS_PER_QUERY = 500
_FLOWS_PER_QUERY = 50
_NOTHING: Mapping[UUID, Collection[str]] = {}
_Asked: TypeAlias = tuple[int, frozenset[str], frozenset[UUID], dict[UUID, frozenset[str]], frozenset[str]]
_READY = ("run_id", "step_key", "attempt", "type", "flow_id", "priority", "concurrency_key")


class ReadySteps:
    """Finds them. The last question is kept: a process with nothing to do asks the same over and over, and with many
    flows it takes five times as long to write it as to ask it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: tuple[_Asked, list[CompoundSelect[*tuple[Any, ...]]]] | None = None

    def find(
        self,
        connection: Connection,
        limit: int,
        step_types: frozenset[str],
        flow_ids: frozenset[UUID],
        passed_over: Mapping[UUID, Collection[str]],
        unreadable: frozenset[str],
    ) -> list[ReadyStep]:
        """See :meth:`Storage.ready <floworch.core.ports.storage.Storage.ready>`."""
        keys = {flow_id: frozenset(some) for flow_id, some in passed_over.items()}
        found: list[tuple[datetime, ReadyStep]] = []
        for question in self._questions((limit, step_types, flow_ids, keys, unreadable)):
            rows = connection.execute(question)
            found.extend((row.ready_at, ReadyStep(*row[:-1])) for row in rows)
        return fair_order(found)[:limit]

    def _questions(self, asked: _Asked) -> list[CompoundSelect[*tuple[Any, ...]]]:
        kept = self._kept
        if kept is None or kept[0] != asked:
            limit, step_types, flow_ids, keys, unreadable = asked
            flows = chunks(sorted(flow_ids), _FLOWS_PER_QUERY)
            kept = asked, [ready_question(self._tables, limit, step_types, f, keys, unreadable) for f in flows]
            self._kept = kept
        return kept[1]


def ready_question(
    tables: Tables,
    limit: int,
    step_types: frozenset[str],
    flow_ids: Sequence[UUID],
    passed_over: Mapping[UUID, Collection[str]] = _NOTHING,
    unreadable: frozenset[str] = frozenset(),
) -> CompoundSelect[*tuple[Any, ...]]:
    """Asks for the first ready steps of each flow: one short range of the index that holds nothing else."""
    each = ((flow_id, passed_over.get(flow_id, ())) for flow_id in flow_ids)
    questions = (_ready_of_flow(tables, limit, step_types, flow_id, keys, unreadable) for flow_id, keys in each)
    return union_all(*questions)


def _ready_of_flow(
    tables: Tables,
    limit: int,
    step_types: frozenset[str],
    flow_id: UUID,
    passed_over: Collection[str],
    unreadable: frozenset[str],
) -> Select[*tuple[Any, ...]]:
    step, run = tables.step.c, tables.run.c
    # Not a join: SQLite would begin it with all the active runs of the flow.
    is_active = exists().where(run.id == step.run_id, run.status.not_in(ENDED))
    if unreadable:
        is_active = is_active.where(run.manifest_hash.not_in(sorted(unreadable)))
    version = select(run.manifest_hash).where(run.id == step.run_id).scalar_subquery().label("manifest_hash")
    first = (
        select(*(step[name] for name in _READY), version, step.ready_at)
        .where(_is(step.status, "Ready"), step.flow_id == flow_id, step.type.in_(sorted(step_types)), is_active)
        .order_by(step.priority.desc(), step.ready_at)
        .limit(limit)
    )
    if passed_over:
        key = step.concurrency_key
        first = first.where(or_(key.is_(None), is_none_of(key, passed_over)))
    return select(first.subquery())


def find_due(
    connection: Connection, tables: Tables, now: datetime, lease_now: ColumnElement[Any], limit: int
) -> DueWork:
    """See :meth:`Storage.due <floworch.core.ports.storage.Storage.due>`."""
    work, later = DueWork(), []
    for row in connection.execute(due_question(tables, now, lease_now, limit)):
        match row.kind:
            case "timer":
                work.timers.append(TimerKey(row.run_id, row.step_key, row.attempt))
            case "lease":
                work.lost.append(LostLease(row.run_id, row.step_key, row.attempt, row.owner))
            case "deadline":
                work.deadlines.append(row.run_id)
            case "child":
                work.children.append(row.run_id)
            case _:
                later.append(row.at)
    work.next_at = min(later, default=None)
    return work


def due_question(
    tables: Tables, now: datetime, lease_now: ColumnElement[Any], limit: int
) -> CompoundSelect[*tuple[Any, ...]]:
    """Asks for all kinds of due work and for the next instant of each kind, at once: a process that has nothing to do
    asks it over and over. Every part reads one short range of an index of what waits."""
    step, run = tables.step.c, tables.run.c
    pending = _is(step.status, "Pending")
    leased = step.lease_until.is_not(None)
    limited = (run.deadline.is_not(None), run.ended_at.is_(None), run.stop_kind.is_(None))
    untold = and_(run.tells_parent == literal_column("1"), run.ended_at.is_not(None))
    none = {column.name: cast(null(), column.type) for column in (step.run_id, step.step_key, step.attempt, step.owner)}
    of_run = (none["step_key"].label("step_key"), none["attempt"].label("attempt"), none["owner"].label("owner"))

    def due(kind: str, at: ColumnElement[Any], *what: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
        return select(literal_column(f"'{kind}'", String).label("kind"), *what, at.label("at"))

    def first(
        question: Select[*tuple[Any, ...]], at: ColumnElement[Any], limit: int = limit
    ) -> Select[*tuple[Any, ...]]:
        return select(question.order_by(at).limit(limit).subquery())

    def following(at: ColumnElement[Any], *conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
        nothing = [column.label(name) for name, column in none.items()]
        return first(due("next", at, *nothing).where(*conditions), at, 1)  # min(at) would read them all

    of_step = (step.run_id, step.step_key, step.attempt, step.owner)
    return union_all(
        first(due("timer", step.due_at, *of_step).where(pending, step.due_at <= now), step.due_at),
        first(due("lease", step.lease_until, *of_step).where(leased, step.lease_until <= lease_now), step.lease_until),
        first(
            due("deadline", run.deadline, run.id.label("run_id"), *of_run).where(*limited, run.deadline <= now),
            run.deadline,
        ),
        first(due("child", run.ended_at, run.id.label("run_id"), *of_run).where(untold), run.ended_at),
        following(step.due_at, pending, step.due_at > now),
        following(step.lease_until, leased, step.lease_until > lease_now),
        following(run.deadline, *limited, run.deadline > now),
    )


def is_any_lease_held(connection: Connection, tables: Tables, lease_now: ColumnElement[Any]) -> bool:
    """See :meth:`Storage.is_any_lease_held <floworch.core.ports.storage.Storage.is_any_lease_held>`."""
    return connection.execute(held_lease_question(tables, lease_now)).first() is not None


def held_lease_question(tables: Tables, lease_now: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    """Asks for one lease that has not run out."""
    until = tables.step.c.lease_until
    return select(until).where(until.is_not(None), until > lease_now).order_by(until).limit(1)


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


def _is(column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    # Written out: a partial index serves only a query that shows its condition.
    return column == literal_column(f"'{word}'")
