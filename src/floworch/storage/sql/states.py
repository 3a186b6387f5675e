"""Reads the planner's view of runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from floworch.core.machine.progress import Progress, progress_from_json
from floworch.core.machine.state import ParentStep, RunFacts, SkipKind, StepState, StopRequest, Suspension, WaitKind
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.core.ports.storage import StoredRun
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.signals import has_signals, load_letters
from floworch.storage.sql.tables import Tables

__all__ = ["begins_with", "load_iteration_steps", "load_runs", "stop_request", "tags_of"]

_IDS_PER_QUERY = 500


def load_runs(connection: Connection, tables: Tables, run_ids: Sequence[UUID]) -> dict[UUID, StoredRun]:
    """See :meth:`Storage.load <floworch.core.ports.storage.Storage.load>`. Needs a snapshot."""
    runs: dict[UUID, StoredRun] = {}
    signalled: list[UUID] = []
    for ids in chunks(run_ids, _IDS_PER_QUERY):
        rows = connection.execute(_runs(tables, ids)).all()
        runs.update((row.id, _stored_run(row)) for row in rows)
        signalled += [row.id for row in rows if row.has_signals]
    step = tables.step
    for ids in chunks(runs, _IDS_PER_QUERY):
        for row in connection.execute(_states(tables).where(step.c.run_id.in_(ids), step.c.settled == 0)):
            runs[row.run_id].steps[row.step_key] = _step_state(row)
    for run_id, letters in load_letters(connection, tables, signalled).items():
        runs[run_id].signals = letters
    return runs


def load_iteration_steps(connection: Connection, tables: Tables, run_id: UUID, prefix: str) -> dict[str, StepState]:
    """See :meth:`Storage.load_iteration_steps <floworch.core.ports.storage.Storage.load_iteration_steps>`."""
    step = tables.step
    wanted = _states(tables).where(step.c.run_id == run_id, *begins_with(step.c.step_key, prefix))
    return {row.step_key: _step_state(row) for row in connection.execute(wanted)}


def begins_with(column: ColumnElement[str], prefix: str) -> list[ColumnElement[bool]]:
    """Conditions that an index can answer; LIKE would fold case on some databases."""
    if not prefix:
        return []
    return [column >= prefix, column < prefix[:-1] + chr(ord(prefix[-1]) + 1)]


def stop_request(row: Row[*tuple[Any, ...]]) -> StopRequest | None:
    return None if row.stop_kind is None else StopRequest(StopKind(row.stop_kind), row.stop_reason, row.stop_at)


def tags_of(row: Row[*tuple[Any, ...]]) -> dict[str, str]:
    return {} if row.tags is None else json.loads(row.tags)


def _progress(text: str | None) -> Progress | None:
    return None if text is None else progress_from_json(json.loads(text))


def _runs(tables: Tables, ids: Sequence[UUID]) -> Select[*tuple[Any, ...]]:
    c = tables.run.c
    return select(
        c.id,
        c.flow_id,
        c.manifest_hash,
        c.trigger_key,
        c.started_at,
        c.source_run_id,
        c.idempotency_key,
        c.priority,
        c.concurrency_key,
        c.scheduled_at,
        c.parent_run_id,
        c.parent_step_key,
        c.parent_attempt,
        c.parent_waits,
        c.depth,
        c.tags,
        c.revision,
        c.status,
        c.deadline,
        c.stop_kind,
        c.stop_reason,
        c.stop_at,
        c.ended_at,
        c.suspended_at,
        c.suspended_by,
        c.suspend_reason,
        has_signals(tables),
    ).where(c.id.in_(ids))


def _states(tables: Tables) -> Select[*tuple[Any, ...]]:
    c = tables.step.c
    return select(
        c.run_id,
        c.step_key,
        c.status,
        c.attempt,
        c.failures,
        c.lost,
        c.due_at,
        c.wait,
        c.waiting_since,
        c.skip,
        c.reason,
        c.owner,
        c.ready_at,
        c.started_at,
        c.ended_at,
        c.progress,
    )


def _stored_run(row: Row[*tuple[Any, ...]]) -> StoredRun:
    facts = RunFacts(
        run_id=row.id,
        flow_id=row.flow_id,
        manifest_hash=row.manifest_hash,
        trigger_key=row.trigger_key,
        started_at=row.started_at,
        source_run_id=row.source_run_id,
        idempotency_key=row.idempotency_key,
        priority=row.priority,
        concurrency_key=row.concurrency_key,
        scheduled_at=row.scheduled_at,
        parent=_parent(row),
        tags=tags_of(row),
    )
    return StoredRun(
        facts=facts,
        revision=row.revision,
        status=RunStatus(row.status),
        deadline=row.deadline,
        stop=stop_request(row),
        ended_at=row.ended_at,
        steps={},
        suspension=_suspension(row),
    )


def _suspension(row: Row[*tuple[Any, ...]]) -> Suspension | None:
    if row.suspended_at is None:
        return None
    return Suspension(row.suspend_reason, row.suspended_by, row.suspended_at)


def _parent(row: Row[*tuple[Any, ...]]) -> ParentStep | None:
    if row.parent_run_id is None:
        return None
    return ParentStep(row.parent_run_id, row.parent_step_key, row.parent_attempt, bool(row.parent_waits), row.depth)


def _step_state(row: Row[*tuple[Any, ...]]) -> StepState:
    return StepState(
        status=StepStatus(row.status),
        attempt=row.attempt,
        failures=row.failures,
        lost=row.lost,
        due_at=row.due_at,
        wait=None if row.wait is None else WaitKind(row.wait),
        waiting_since=row.waiting_since,
        skip=None if row.skip is None else SkipKind(row.skip),
        reason=row.reason,
        owner=row.owner,
        ready_at=row.ready_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        progress=_progress(row.progress),
    )
