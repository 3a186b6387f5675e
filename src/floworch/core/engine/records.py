"""Records made from states, where asking the store would tell nothing new."""

from __future__ import annotations

from floworch.core.machine.state import RunState
from floworch.core.model.records import RunRecord

__all__ = ["run_record"]


def run_record(state: RunState) -> RunRecord:
    """The run row that the store has for this state."""
    facts, stop = state.facts, state.stop
    return RunRecord(
        id=facts.run_id,
        flow_id=facts.flow_id,
        flow_name=state.plan.flow_name,
        flow_version=state.plan.version,
        manifest_hash=facts.manifest_hash,
        status=state.status,
        trigger_key=facts.trigger_key,
        revision=state.revision,
        started_at=facts.started_at,
        ended_at=state.ended_at,
        deadline=state.deadline,
        stop_kind=stop.kind if stop else None,
        stop_reason=stop.reason if stop else None,
        idempotency_key=facts.idempotency_key,
        source_run_id=facts.source_run_id,
    )
