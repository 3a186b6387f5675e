"""Answers for people, made from the rows of the in-memory store."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from floworch.core.machine.progress import progress_to_json
from floworch.core.machine.run_record import record_of
from floworch.core.machine.transition import Fact
from floworch.core.model.child_types import shown_type
from floworch.core.model.payload import Json, Payload
from floworch.core.model.records import HistoryEvent, RunRecord, StepRecord
from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import RunFilter, RunPage
from floworch.storage.memory.rows import RunRow, StepRow

__all__ = ["history_events", "run_page", "run_record", "step_record"]


def run_record(run: RunRow) -> RunRecord:
    return record_of(run, run.flow_name, run.flow_version)


def run_page(runs: Iterable[RunRow], where: RunFilter, limit: int, cursor: str | None) -> RunPage:
    before = None if cursor is None else _place_of(cursor)
    found = (run for run in runs if _matches(run, where) and (before is None or _place(run) < before))
    matching = sorted(found, key=_place, reverse=True)
    page = [run_record(run) for run in matching[:limit]]
    return RunPage(page, _cursor(matching[limit - 1]) if page and len(matching) > limit else None)


def _place(run: RunRow) -> tuple[datetime, UUID]:
    return run.facts.started_at, run.facts.run_id


def _cursor(run: RunRow) -> str:
    return f"{run.facts.started_at.isoformat()}_{run.facts.run_id}"


def _place_of(cursor: str) -> tuple[datetime, UUID]:
    """Not the run's id alone: the run may be gone when the next page is asked for, or be no longer one of these."""
    at, _, run_id = cursor.rpartition("_")
    try:
        return datetime.fromisoformat(at), UUID(run_id)
    except ValueError:
        raise ValueError(_unknown(cursor)) from None


def _unknown(cursor: str | None) -> str:
    return f"{cursor!r} is not a cursor of this store: pass a page's next_cursor, or None for the first page."


def step_record(key: str, row: StepRow, *, payloads: bool) -> StepRecord:
    state = row.state
    return StepRecord(
        key=key,
        type=shown_type(row.type),
        status=state.status,
        attempt=state.attempt,
        ready_at=state.ready_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        due_at=state.due_at,
        reason=state.reason,
        owner=state.owner,
        lease_until=row.lease_until,
        input=_value(row.input) if payloads else None,
        output=_value(row.output) if payloads else None,
        error=row.error.to_json() if row.error else None,
        trace=row.trace and copy.deepcopy(row.trace),
        progress=progress_to_json(state.progress) if state.progress else None,
    )


def history_events(run: RunRow, after: int, limit: int) -> list[HistoryEvent]:
    """Everything that up to ``limit`` commits after that one have done."""
    first = bisect_right(run.commits, after, key=lambda commit: commit[0])
    events: list[HistoryEvent] = []
    start = run.commits[first - 1][2] if first else 0
    for sequence, at, end in run.commits[first : first + limit]:
        facts = enumerate(run.history[start:end])
        events += (_event(run.facts.run_id, sequence, index, at, fact) for index, fact in facts)
        start = end
    return events


def _event(run_id: UUID, sequence: int, index: int, at: datetime, fact: Fact) -> HistoryEvent:
    return HistoryEvent(
        sequence=sequence,
        index=index,
        run_id=run_id,
        at=at,
        type=fact["type"],
        step_key=fact.get("step"),
        data={key: copy.deepcopy(value) for key, value in fact.items() if key not in ("type", "step")},
    )


def _matches(run: RunRow, where: RunFilter) -> bool:
    facts = run.facts
    return (
        (where.flow_id is None or facts.flow_id == where.flow_id)
        and (where.statuses is None or run.status in where.statuses)
        and (where.started_from is None or facts.started_at >= where.started_from)
        and (where.started_before is None or facts.started_at < where.started_before)
        and (where.source_run_id is None or facts.source_run_id == where.source_run_id)
        and (where.trigger_key is None or facts.trigger_key == where.trigger_key)
        and where.suspended in (None, run.suspension is not None)
        and where.tags.items() <= facts.tags.items()
        and (where.error is None or _has_failed_with(run, where.error.lower()))
        and (where.ended_from is None or (run.ended_at is not None and run.ended_at >= where.ended_from))
        and (where.ended_before is None or (run.ended_at is not None and run.ended_at < where.ended_before))
        and (where.parent_run_id is None or (facts.parent and facts.parent.run_id) == where.parent_run_id)
    )


def _has_failed_with(run: RunRow, text: str) -> bool:
    failed = (row for row in run.steps.values() if row.state.status is StepStatus.FAILED)
    return any(
        text in word.lower() for row in failed for word in (row.state.reason, row.error and row.error.type) if word
    )


def _value(payload: Payload | None) -> Json:
    """Decoded anew for every caller: rows keep the text."""
    return None if payload is None else payload.value
