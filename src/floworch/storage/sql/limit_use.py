"""Asks how limits stand: what is limited, and what is used of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    Select,
    String,
    cast,
    func,
    literal_column,
    null,
    select,
    type_coerce,
    union_all,
)

from floworch.core.model.limits import Limit, LimitRecord, Quota
from floworch.core.policy.limits import counted
from floworch.core.ports.limits import LimitUse
from floworch.storage.sql.tables import Tables
from floworch.storage.sql.types import Instant

__all__ = ["find_limit_use", "held_question", "limit_record", "use_question", "waiting_question"]

_Question: TypeAlias = Select[*tuple[Any, ...]]


def find_limit_use(
    connection: Connection, tables: Tables, lease_now: ColumnElement[Any], now: datetime, *, waiting: bool
) -> LimitUse:
    """See :meth:`LimitStorage.limit_use <floworch.core.ports.limits.LimitStorage.limit_use>`."""
    rows = connection.execute(use_question(tables, lease_now, waiting=waiting)).all()
    of = {kind: [row for row in rows if row.kind == kind] for kind in ("limit", "arrival", "running", "waiting")}
    records = (limit_record(row.name, row.code, row.override, row.at) for row in of["limit"])
    return LimitUse(
        at=rows[0].now if rows else now,
        records=sorted(records, key=lambda record: record.name),
        running=counted((row.name, row.flow_id, row.key, row.steps) for row in of["running"]),
        arrivals={Quota(row.name, row.key): row.at for row in of["arrival"]},
        waiting=counted((row.name, row.flow_id, row.key, row.steps) for row in of["waiting"]),
    )


def use_question(tables: Tables, lease_now: ColumnElement[Any], *, waiting: bool) -> CompoundSelect[*tuple[Any, ...]]:
    """Asks for everything at once: a process that has nothing to do asks it over and over, and one that has reached a
    limit whenever something ends. Steps are counted only where something is limited."""
    rule, arrival = tables.limit_rule.c, tables.limit_arrival.c
    nothing = _nothing(tables)

    def part(kind: str, **columns: ColumnElement[Any]) -> _Question:
        now = type_coerce(lease_now, Instant).label("now")
        some = (column.label(name) for name, column in (nothing | columns).items())
        return select(literal_column(f"'{kind}'", String).label("kind"), now, *some)

    def steps(kind: str, question: _Question) -> _Question:
        of = question.where(select(rule.name).exists()).subquery().c
        return part(kind, name=of.type, key=of.concurrency_key, flow_id=of.flow_id, steps=of.steps)

    return union_all(
        part("limit", name=rule.name, code=rule.code, override=rule.override, at=rule.updated_at),
        part("arrival", name=arrival.name, key=arrival.key, at=arrival.on_time_at).where(
            arrival.on_time_at > lease_now
        ),
        steps("running", held_question(tables)),
        *([steps("waiting", waiting_question(tables))] if waiting else []),
    )


def held_question(tables: Tables) -> _Question:
    """Asks how many steps run. The index of leases holds nothing else."""
    return _groups(tables).where(tables.step.c.lease_until.is_not(None))


def waiting_question(tables: Tables) -> _Question:
    """Asks how many steps are ready."""
    # Written out: a partial index serves only a query that shows its condition.
    return _groups(tables).where(tables.step.c.status == literal_column("'Ready'"))


def limit_record(name: str, code: str | None, override: str | None, updated_at: datetime) -> LimitRecord:
    """The record of the columns of a limit."""
    return LimitRecord(name, _limit(code), _limit(override), updated_at)


def _groups(tables: Tables) -> _Question:
    c = tables.step.c
    by = (c.type, c.flow_id, c.concurrency_key)
    return select(*by, func.count().label("steps")).group_by(*by)


def _nothing(tables: Tables) -> dict[str, ColumnElement[Any]]:
    rule, arrival = tables.limit_rule.c, tables.limit_arrival.c
    types = {
        "name": rule.name.type,
        "key": arrival.key.type,
        "code": rule.code.type,
        "override": rule.override.type,
        "at": rule.updated_at.type,
        "flow_id": tables.step.c.flow_id.type,
        "steps": Integer(),
    }
    return {name: cast(null(), each) for name, each in types.items()}


def _limit(text: str | None) -> Limit | None:
    return None if text is None else Limit.model_validate_json(text)
