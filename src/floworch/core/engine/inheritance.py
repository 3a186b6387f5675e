"""Reading what a forked run takes over from its source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import FlowPlan
from floworch.core.engine.reuse import reused_from
from floworch.core.machine.block_output import state_payload
from floworch.core.machine.forks import Inheritance
from floworch.core.machine.progress import progress_to_json
from floworch.core.machine.rewind import Rewound, rewind
from floworch.core.machine.state import StepState
from floworch.core.machine.transition import StepChange
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError, StepRecord
from floworch.core.ports.storage import Storage

__all__ = ["inheritance_of", "load_inheritance"]

_Payloads = Mapping[PayloadRef, Payload | None]
_KINDS = (PayloadKind.INPUT, PayloadKind.OUTPUT, PayloadKind.ERROR)


async def load_inheritance(
    store: Storage, plan: FlowPlan, run_id: UUID, from_step: str, stopped_at: datetime | None
) -> Inheritance:
    """What a run takes over that goes on from the step. The source may be under way: what is final stays so, unless
    somebody has a step run again just now; then all is read once more.

    Raises StepNotFound, InvalidTransition.
    """
    while True:
        steps = await store.load_iteration_steps(run_id, "")
        rewound = rewind(plan, steps, from_step, stopped_at)
        refs = [PayloadRef(kind, key) for key in rewound.steps for kind in _KINDS]
        refs += [PayloadRef(PayloadKind.ITEMS, key) for key, state in rewound.steps.items() if state.loop is not None]
        payloads = await store.load_payloads(run_id, refs)
        records = {record.key: record for record in await store.list_steps(run_id)}
        origins = await reused_from(store, run_id, records)
        again = await store.load_iteration_steps(run_id, "")
        if all(again.get(key) == steps[key] for key, state in rewound.steps.items() if state.is_final):
            return inheritance_of(plan, run_id, rewound, payloads, records, origins)


def inheritance_of(
    plan: FlowPlan,
    run_id: UUID,
    rewound: Rewound,
    payloads: _Payloads,
    records: Mapping[str, StepRecord],
    origins: Mapping[str, UUID],
) -> Inheritance:
    """``payloads`` and ``records`` are those of the source; ``origins`` says which of its steps are not its own."""
    in_order = [key for key in records if key in rewound.steps]
    return Inheritance(
        rewound,
        {key: _row(plan, key, rewound.steps[key], payloads, records[key].trace) for key in in_order},
        {key: str(origins.get(key, run_id)) for key in in_order},
        {ref.step_key: items for ref, items in payloads.items() if ref.kind is PayloadKind.ITEMS and items},
        {**payloads, **{PayloadRef(PayloadKind.STATE, key): _state(state) for key, state in rewound.steps.items()}},
    )


def _row(plan: FlowPlan, key: str, state: StepState, payloads: _Payloads, trace: Any) -> StepChange:
    step = find_step(plan, key)
    assert step is not None
    if not state.is_final:
        return StepChange(state, None, step.type, trace=trace)
    given, output, error = (payloads.get(PayloadRef(kind, key)) for kind in _KINDS)
    return StepChange(state, None, step.type, None, given, output, _error(error), trace)


def _error(payload: Payload | None) -> StepError | None:
    if payload is None:
        return None
    error = payload.value
    return StepError(error["type"], error["message"], error.get("traceback"))


def _state(state: StepState) -> Payload:
    return state_payload(state.status, None if state.progress is None else progress_to_json(state.progress))
