"""A run as the engine loads it, made from the rows of the in-memory store."""

from __future__ import annotations

from uuid import UUID

from floworch.core.dag.keys import scope_of
from floworch.core.machine.block_output import state_payload
from floworch.core.machine.progress import progress_to_json
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.ports.storage import StoredRun
from floworch.storage.memory.rows import RunRow

__all__ = ["stored_payload", "stored_run"]


def stored_run(run: RunRow) -> StoredRun:
    """What the planner knows of the run."""
    return StoredRun(
        facts=run.facts,
        revision=run.revision,
        status=run.status,
        deadline=run.deadline,
        stop=run.stop,
        ended_at=run.ended_at,
        steps={key: row.state for key, row in run.steps.items() if scope_of(key) not in run.settled},
        signals=[] if run.signals is None else run.signals.letters(),
        suspension=run.suspension,
    )


def stored_payload(run: RunRow, ref: PayloadRef) -> Payload | None:
    """None where the run has no such payload."""
    match ref.kind:
        case PayloadKind.BODY:
            return run.body
        case PayloadKind.HEADERS:
            return run.headers
        case PayloadKind.ITEMS:
            return run.items.get(ref.step_key)
        case PayloadKind.SIGNAL:
            return None if run.signals is None else run.signals.payload(UUID(ref.step_key))
    row = run.steps.get(ref.step_key)
    if row is None:
        return None
    if ref.kind is PayloadKind.OUTPUT:
        return row.output
    if ref.kind is PayloadKind.INPUT:
        return row.input
    if ref.kind is PayloadKind.STATE:
        progress = row.state.progress
        return state_payload(row.state.status, None if progress is None else progress_to_json(progress))
    return None if row.error is None else Payload.of(row.error.to_json())
