"""Answers questions about the steps and the history of one run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select

from floworch.core.model.child_types import shown_type
from floworch.core.model.json_decode import decode
from floworch.core.model.payload import Json
from floworch.core.model.records import HistoryEvent, StepRecord
from floworch.core.model.status import StepStatus
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.payloads import StoredTexts, long_texts, resolve
from floworch.storage.sql.tables import IN_PAYLOAD_TABLE, Tables

__all__ = ["list_events", "list_steps"]

_KEYS = 500
"""Most in one statement."""
_SMALL = ("error", "trace")
_LARGE = ("input", "output")
_COLUMNS = (
    "step_key", "type", "place", "status", "attempt", "ready_at", "started_at", "ended_at", "due_at", "reason", "owner",
    "lease_until", "progress",
)  # fmt: skip


def list_steps(
    connection: Connection, tables: Tables, run_id: UUID, *, payloads: bool, keys: frozenset[str] | None
) -> list[StepRecord]:
    """See :meth:`Storage.list_steps <floworch.core.ports.storage.Storage.list_steps>`. Needs a snapshot."""
    kinds = (*_SMALL, *_LARGE) if payloads else _SMALL
    c = tables.step.c
    wanted = select(*(c[name] for name in (*_COLUMNS, *kinds))).where(c.run_id == run_id)
    parts = [wanted] if keys is None else [wanted.where(c.step_key.in_(few)) for few in chunks(sorted(keys), _KEYS)]
    rows = sorted((row for part in parts for row in connection.execute(part)), key=_came_up)
    by_reference = [row.step_key for row in rows if any(row._mapping[kind] == IN_PAYLOAD_TABLE for kind in kinds)]
    long = long_texts(connection, tables, run_id, by_reference)
    return [_record(row, {kind: _value(long, row, kind) for kind in kinds}) for row in rows]


def list_events(connection: Connection, tables: Tables, run_id: UUID, after: int, limit: int) -> list[HistoryEvent]:
    """See :meth:`Storage.list_events <floworch.core.ports.storage.Storage.list_events>`."""
    c = tables.event.c
    wanted = select(c.sequence, c.at, c.facts).where(c.run_id == run_id, c.sequence > after)
    rows = connection.execute(wanted.order_by(c.sequence).limit(limit))
    return [event for row in rows for event in _events(run_id, row)]


def _came_up(row: Row[*tuple[Any, ...]]) -> tuple[bool, datetime | None, int, str]:
    # Steps that were skipped or failed without ever being ready have nothing but their end.
    came_up = row.ready_at or row.ended_at
    return (came_up is None, came_up, row.place, row.step_key)


def _value(long: StoredTexts, row: Row[*tuple[Any, ...]], kind: str) -> Json:
    text = resolve(long, row.step_key, kind, row._mapping[kind])
    return None if text is None else decode(text)


def _record(row: Row[*tuple[Any, ...]], values: dict[str, Json]) -> StepRecord:
    return StepRecord(
        key=row.step_key,
        type=shown_type(row.type),
        status=StepStatus(row.status),
        attempt=row.attempt,
        ready_at=row.ready_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        due_at=row.due_at,
        reason=row.reason,
        owner=row.owner,
        lease_until=row.lease_until,
        progress=None if row.progress is None else json.loads(row.progress),
        **values,
    )


def _events(run_id: UUID, row: Row[*tuple[Any, ...]]) -> Iterator[HistoryEvent]:
    for index, fact in enumerate(decode(row.facts)):
        kind, step_key = fact.pop("type"), fact.pop("step", None)
        yield HistoryEvent(row.sequence, index, run_id, row.at, kind, step_key, fact)
