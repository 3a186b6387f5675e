"""Keeps schedules and their ticks."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select

from floworch.core.model.schedules import Backfill, ScheduleRecord, TickOutcome, TickRecord
from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import Creation
from floworch.storage.sql.bulk import Row
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.statements import Statements
from floworch.storage.sql.tables import Tables

__all__ = [
    "change_schedules",
    "delete_ticks",
    "list_schedules",
    "list_ticks",
    "old_ticks",
    "schedule_record",
]

_FLOWS_PER_QUERY = 500
_Question = Select[*tuple[Any, ...]]


def change_schedules(
    connection: Connection,
    dialect: SqlDialect,
    statements: Statements,
    changes: Sequence[ScheduleChange],
    create: Callable[[Connection, Sequence[Creation]], None],
) -> list[bool]:
    """See :meth:`ScheduleStorage.change_schedules
    <floworch.core.ports.schedules.ScheduleStorage.change_schedules>`. ``create`` writes runs."""
    in_order = sorted(changes, key=lambda each: (str(each.schedule.flow_id), each.schedule.trigger_key))
    written = {id(change) for change in _write_rows(connection, dialect, statements, in_order)}
    done = [change for change in in_order if id(change) in written]
    ticks = sorted((_tick_row(dialect, tick) for change in done for tick in change.ticks), key=lambda row: row[:3])
    statements.delete_tick.apply(connection, [row[:3] for row in ticks])
    statements.insert_tick.apply(connection, ticks)
    if runs := [run for change in done for run in change.runs]:
        create(connection, runs)
    return [id(change) in written for change in changes]


def list_schedules(
    connection: Connection, tables: Tables, flow_ids: frozenset[UUID] | None = None
) -> list[ScheduleRecord]:
    """See :meth:`ScheduleStorage.list_schedules <floworch.core.ports.schedules.ScheduleStorage.list_schedules>`."""
    c = tables.schedule.c
    everything = select(tables.schedule).order_by(c.flow_id, c.trigger_key)
    if flow_ids is None:
        return [schedule_record(row) for row in connection.execute(everything)]
    return [
        schedule_record(row)
        for some in chunks(sorted(flow_ids, key=str), _FLOWS_PER_QUERY)
        for row in connection.execute(everything.where(c.flow_id.in_(some)))
    ]


def schedule_record(row: Any) -> ScheduleRecord:
    """A row of the table as a record."""
    return ScheduleRecord(
        flow_id=row.flow_id,
        trigger_key=row.trigger_key,
        definition=row.definition,
        override=row.override_cron,
        paused_at=row.paused_at,
        paused_until=row.paused_until,
        pause_reason=row.pause_reason,
        retired_at=row.retired_at,
        next_fire_at=row.next_fire_at,
        due_at=row.due_at,
        waits_for=row.waits_for,
        last_tick_at=row.last_tick_at,
        backfill=None if row.backfill is None else Backfill.from_json(json.loads(row.backfill)),
        revision=row.revision,
        updated_at=row.updated_at,
    )


def list_ticks(
    connection: Connection,
    tables: Tables,
    flow_id: UUID,
    trigger_key: str,
    limit: int,
    first: datetime | None,
    last: datetime | None,
) -> list[TickRecord]:
    """See :meth:`ScheduleStorage.list_ticks <floworch.core.ports.schedules.ScheduleStorage.list_ticks>`."""
    c = tables.tick.c
    wanted = select(tables.tick).where(c.flow_id == flow_id, c.trigger_key == trigger_key)
    if first is not None:
        wanted = wanted.where(c.scheduled_at >= first)
    if last is not None:
        wanted = wanted.where(c.scheduled_at <= last)
    rows = connection.execute(wanted.order_by(c.scheduled_at.desc()).limit(limit))
    return [
        TickRecord(
            flow_id=row.flow_id,
            trigger_key=row.trigger_key,
            scheduled_at=row.scheduled_at,
            outcome=TickOutcome(row.outcome),
            recorded_at=row.recorded_at,
            run_id=row.run_id,
            why=row.why,
        )
        for row in rows
    ]


def delete_ticks(
    connection: Connection, dialect: SqlDialect, tables: Tables, statements: Statements, before: datetime, limit: int
) -> int:
    """See :meth:`ScheduleStorage.delete_ticks <floworch.core.ports.schedules.ScheduleStorage.delete_ticks>`."""
    found = connection.execute(old_ticks(tables, before, limit)).all()
    rows = sorted((str(row.flow_id), row.trigger_key, dialect.instant(row.scheduled_at)) for row in found)
    statements.delete_tick.apply(connection, rows)
    return len(rows)


def old_ticks(tables: Tables, before: datetime, limit: int) -> _Question:
    """Asks for ticks that may go."""
    c = tables.tick.c
    wanted = select(c.flow_id, c.trigger_key, c.scheduled_at).where(c.recorded_at < before)
    return wanted.order_by(c.recorded_at).limit(limit)


def _write_rows(
    connection: Connection, dialect: SqlDialect, statements: Statements, changes: Sequence[ScheduleChange]
) -> list[ScheduleChange]:
    new = [change for change in changes if change.schedule.revision == 0]
    known = [change for change in changes if change.schedule.revision > 0]
    inserted = [c for c in new if statements.insert_schedule.apply(connection, [_new_row(dialect, c.schedule)])]
    moved = statements.change_schedule.apply_each(connection, [_changed_row(dialect, c.schedule) for c in known])
    return [*inserted, *(change for change, is_moved in zip(known, moved, strict=True) if is_moved)]


def _new_row(dialect: SqlDialect, schedule: ScheduleRecord) -> Row:
    return (str(schedule.flow_id), schedule.trigger_key, *_values(dialect, schedule))


def _changed_row(dialect: SqlDialect, schedule: ScheduleRecord) -> Row:
    return (*_values(dialect, schedule), str(schedule.flow_id), schedule.trigger_key, schedule.revision)


def _values(dialect: SqlDialect, schedule: ScheduleRecord) -> Row:
    def instant(at: datetime | None) -> Any:
        return None if at is None else dialect.instant(at)

    return (
        schedule.definition,
        schedule.override,
        instant(schedule.paused_at),
        instant(schedule.paused_until),
        schedule.pause_reason,
        instant(schedule.retired_at),
        instant(schedule.next_fire_at),
        instant(schedule.due_at),
        None if schedule.waits_for is None else str(schedule.waits_for),
        instant(schedule.last_tick_at),
        None if schedule.backfill is None else json.dumps(schedule.backfill.to_json()),
        int(schedule.has_backfill_to_do),
        schedule.revision + 1,
        instant(schedule.updated_at),
    )


def _tick_row(dialect: SqlDialect, tick: TickRecord) -> Row:
    return (
        str(tick.flow_id),
        tick.trigger_key,
        dialect.instant(tick.scheduled_at),
        tick.outcome.value,
        None if tick.run_id is None else str(tick.run_id),
        dialect.instant(tick.recorded_at),
        tick.why,
    )
