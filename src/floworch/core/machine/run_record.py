"""A run as people see it, made of what the planner knows of it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from floworch.core.machine.state import RunFacts, StopRequest, Suspension
from floworch.core.model.records import RunRecord
from floworch.core.model.status import RunStatus

__all__ = ["RunLike", "record_of"]


class RunLike(Protocol):
    """What a state and a stored row have in common."""

    facts: RunFacts
    revision: int
    status: RunStatus
    deadline: datetime | None
    stop: StopRequest | None
    ended_at: datetime | None
    suspension: Suspension | None


def record_of(run: RunLike, flow_name: str, flow_version: str) -> RunRecord:
    """The record; the names of the flow are those of the time when the run started."""
    facts, stop, suspension = run.facts, run.stop, run.suspension
    return RunRecord(
        id=facts.run_id,
        flow_id=facts.flow_id,
        flow_name=flow_name,
        flow_version=flow_version,
        manifest_hash=facts.manifest_hash,
        status=run.status,
        trigger_key=facts.trigger_key,
        revision=run.revision,
        started_at=facts.started_at,
        ended_at=run.ended_at,
        deadline=run.deadline,
        stop_kind=stop.kind if stop else None,
        stop_reason=stop.reason if stop else None,
        idempotency_key=facts.idempotency_key,
        source_run_id=facts.source_run_id,
        scheduled_at=facts.scheduled_at,
        parent_run_id=facts.parent.run_id if facts.parent else None,
        parent_step_key=facts.parent.step_key if facts.parent else None,
        suspended_at=suspension.at if suspension else None,
        suspend_reason=suspension.reason if suspension else None,
        suspended_by=suspension.by if suspension else None,
        tags=dict(facts.tags),
        concurrency_key=facts.concurrency_key,
    )
