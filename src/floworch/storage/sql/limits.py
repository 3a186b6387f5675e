"""Keeps limits, and grants what is left of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, select, type_coerce, update

from floworch.core.model.limits import Limit, Quota, Rate
from floworch.core.model.payload import Payload
from floworch.core.policy.limits import Tally, counted
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Claim
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.limit_use import held_question, limit_record
from floworch.storage.sql.statements import Statements
from floworch.storage.sql.tables import Tables
from floworch.storage.sql.types import Instant

__all__ = [
    "Granted",
    "forget_arrivals",
    "grant",
    "locked_rules",
    "override_limit",
    "save_limits",
]

_LOCK_HINT = "WITH (UPDLOCK, ROWLOCK)"
_KEYS_PER_QUERY = 500
_Question = Select[*tuple[Any, ...]]


# -- claims


@dataclass(frozen=True, slots=True)
class Granted:
    """What became of claims, by the ids of the objects. The others were lost to others."""

    winners: frozenset[int]
    refused: frozenset[int]


def grant(
    connection: Connection,
    dialect: SqlDialect,
    tables: Tables,
    statements: Statements,
    clock: Clock,
    claims: Sequence[Claim],
    start: Callable[[Sequence[Claim]], frozenset[int]],
) -> Granted:
    """Start as many of the claims as their limits leave room for, in their order. ``start`` tells which ones it won.

    What it has locked keeps other claims of these limits out until the end of the transaction. Nothing is waited for
    after that, so it comes last.
    """
    tally = _locked_tally(connection, tables, dialect.lease_clock(clock), clock, claims)
    winners: set[int] = set()
    waiting = list(claims)
    while waiting:
        granted = tally.grant([claim.quotas for claim in waiting])
        wanted = [claim for claim, is_granted in zip(waiting, granted, strict=True) if is_granted]
        won = start(wanted)
        for claim in wanted:
            if id(claim) in won:
                tally.take(claim.quotas)
        winners |= won
        waiting = [claim for claim, is_granted in zip(waiting, granted, strict=True) if not is_granted]
        if len(won) == len(wanted):
            break  # else there is room for as many more
    _move_arrivals(connection, dialect, statements, tally.moved)
    return Granted(frozenset(winners), frozenset(map(id, waiting)))


def locked_rules(tables: Tables, names: Collection[str], lease_now: ColumnElement[Any]) -> _Question:
    """Asks for limits and the time, and locks the limits."""
    rule = tables.limit_rule
    wanted = select(rule, type_coerce(lease_now, Instant).label("now")).where(rule.c.name.in_(sorted(names)))
    return wanted.order_by(rule.c.name).with_hint(rule, _LOCK_HINT, "mssql").with_for_update()


def _locked_tally(
    connection: Connection, tables: Tables, lease_now: ColumnElement[Any], clock: Clock, claims: Sequence[Claim]
) -> Tally:
    quotas = {quota for claim in claims for quota in claim.quotas}
    rows = connection.execute(locked_rules(tables, {quota.limit for quota in quotas}, lease_now)).all()
    limits = {row.name: limit for row in rows if (limit := limit_record(*row[:4]).in_force) is not None}
    if not limits:
        return Tally({}, {}, {}, clock.now())
    rated = sorted(quota for quota in quotas if quota.limit in limits and limits[quota.limit].rate is not None)
    held = connection.execute(held_question(tables)) if any(each.concurrency for each in limits.values()) else ()
    return Tally(limits, counted(map(tuple, held)), _arrivals_of(connection, tables, rated), rows[0].now)


def _arrivals_of(connection: Connection, tables: Tables, quotas: Sequence[Quota]) -> dict[Quota, datetime]:
    c = tables.limit_arrival.c
    found: dict[Quota, datetime] = {}
    for some in chunks(quotas, _KEYS_PER_QUERY):
        names, keys = {quota.limit for quota in some}, {quota.key for quota in some}
        rows = connection.execute(select(c.name, c.key, c.on_time_at).where(c.name.in_(names), c.key.in_(keys)))
        found.update({Quota(row.name, row.key): row.on_time_at for row in rows})
    return found


def _move_arrivals(
    connection: Connection, dialect: SqlDialect, statements: Statements, moved: Mapping[Quota, datetime]
) -> None:
    rows = [(*quota, dialect.instant(at)) for quota, at in sorted(moved.items())]
    if rows:
        statements.insert_arrival.apply(connection, rows)
        statements.change_arrival.apply(connection, [(at, name, key) for name, key, at in rows])


# -- rules


def save_limits(
    connection: Connection,
    dialect: SqlDialect,
    tables: Tables,
    statements: Statements,
    code: Mapping[str, Limit],
    known: Collection[str],
    now: datetime,
) -> None:
    """See :meth:`LimitStorage.save_limits <floworch.core.ports.limits.LimitStorage.save_limits>`."""
    at = dialect.instant(now)
    rates = _rates(connection, tables)
    present = rates.keys()
    names = sorted({*code, *(present & set(known))})
    texts = {name: _text(code.get(name)) for name in names}
    statements.insert_rule.apply(connection, [(name, texts[name], None, at) for name in names if name not in present])
    statements.change_rule.apply(connection, [(texts[name], at, name) for name in names])
    _forget_empty(connection, tables)
    _begin_anew(connection, tables, rates)


def override_limit(
    connection: Connection,
    dialect: SqlDialect,
    tables: Tables,
    statements: Statements,
    name: str,
    override: Limit | None,
    caller: str | None,
    now: datetime,
) -> None:
    """See :meth:`LimitStorage.override_limit <floworch.core.ports.limits.LimitStorage.override_limit>`."""
    rule, rates = tables.limit_rule, _rates(connection, tables)
    if override is not None:
        statements.insert_rule.apply(connection, [(name, None, _text(override), dialect.instant(now))])
    connection.execute(update(rule).where(rule.c.name == name).values(override=_text(override), updated_at=now))
    _forget_empty(connection, tables)
    _begin_anew(connection, tables, rates)
    if caller is not None:
        dialect.call(connection, caller)


def forget_arrivals(connection: Connection, tables: Tables, lease_now: ColumnElement[Any]) -> int:
    """See :meth:`LimitStorage.forget_arrivals <floworch.core.ports.limits.LimitStorage.forget_arrivals>`."""
    arrival = tables.limit_arrival
    return connection.execute(delete(arrival).where(arrival.c.on_time_at <= lease_now)).rowcount


def _forget_empty(connection: Connection, tables: Tables) -> None:
    rule = tables.limit_rule
    connection.execute(delete(rule).where(rule.c.code.is_(None), rule.c.override.is_(None)))


def _rates(connection: Connection, tables: Tables) -> dict[str, Rate | None]:
    """By the names of all limits."""
    records = [limit_record(*row) for row in connection.execute(select(tables.limit_rule))]
    return {record.name: record.rate for record in records}


def _begin_anew(connection: Connection, tables: Tables, before: Mapping[str, Rate | None]) -> None:
    """Forget when the next start would have been on time by rates that do not hold any more."""
    after, c = _rates(connection, tables), tables.limit_arrival.c
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for some in chunks(changed, _KEYS_PER_QUERY):
        connection.execute(delete(tables.limit_arrival).where(c.name.in_(some)))


def _text(limit: Limit | None) -> str | None:
    return None if limit is None else Payload.of(limit.model_dump()).text
