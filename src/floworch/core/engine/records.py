"""Records made from states, where asking the store would tell nothing new."""

from __future__ import annotations

import copy

from floworch.core.machine.progress import progress_to_json
from floworch.core.machine.run_record import record_of
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import StepChange
from floworch.core.model.child_types import shown_type
from floworch.core.model.json_decode import decode
from floworch.core.model.payload import Json, Payload
from floworch.core.model.records import RunRecord, StepRecord

__all__ = ["run_record", "step_record"]


def run_record(state: RunState) -> RunRecord:
    """The run row that the store has for this state."""
    return record_of(state, state.plan.flow_name, state.plan.version)


def step_record(key: str, change: StepChange) -> StepRecord:
    """The step row that the store has after this change. Values are its own: callers may change them."""
    state = change.state
    return StepRecord(
        key=key,
        type=shown_type(change.type),
        status=state.status,
        attempt=state.attempt,
        ready_at=state.ready_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        due_at=state.due_at,
        reason=state.reason,
        owner=state.owner,
        input=_decoded(change.input),
        output=_decoded(change.output),
        error=change.error.to_json() if change.error else None,
        trace=copy.deepcopy(change.trace),
        progress=progress_to_json(state.progress) if state.progress else None,
    )


def _decoded(payload: Payload | None) -> Json:
    return None if payload is None else decode(payload.text)
