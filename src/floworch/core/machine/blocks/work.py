"""What a block asks of the planner, and what blocks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from floworch.core.dag.keys import child_key
from floworch.core.dag.lookup import scope_plan
from floworch.core.dag.plan import StepPlan
from floworch.core.machine.block_output import state_payload
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import progress_to_json
from floworch.core.machine.state import SkipKind
from floworch.core.machine.steps import fail, stop_reason
from floworch.core.model.payload import Json, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus

__all__ = [
    "Begin",
    "Start",
    "Work",
    "fail_block",
    "first_failed",
    "note_state",
    "reopen_block",
    "skip_block",
    "skip_stopped",
    "succeed",
]


@dataclass(frozen=True, slots=True)
class Begin:
    """Enter the steps of this scope."""

    scope: str


@dataclass(frozen=True, slots=True)
class Start:
    """Enter this step alone."""

    step_key: str


Work: TypeAlias = Begin | Start | str
"""A scope or a step to begin, or the key of a step that is final now."""


def first_failed(draft: Draft, scope: str) -> str:
    """Key of the first step of the scope, in manifest order, that has failed."""
    keys = (child_key(scope, key) for key in scope_plan(draft.plan, scope).steps)
    return next(key for key in keys if (state := draft.step(key)) and state.status is StepStatus.FAILED)


def succeed(draft: Draft, key: str, plan: StepPlan, **data: Json) -> list[Work]:
    """End a block well; ``data`` is for the history."""
    state = draft.step(key)
    assert state is not None
    draft.fact("step.completed", key, attempt=state.attempt, **data)
    draft.finish(key, state._replace(status=StepStatus.SUCCEEDED, ended_at=draft.now), step_type=plan.type)
    note_state(draft, key)
    return [key]


def fail_block(draft: Draft, key: str, plan: StepPlan, error_type: str, message: str) -> list[Work]:
    """End a block with an error that no repetition would mend."""
    work: list[Work] = [*fail(draft, key, plan, StepError(error_type, message, retryable=False))]
    note_state(draft, key)
    return work


def skip_stopped(draft: Draft, key: str, plan: StepPlan) -> list[Work]:
    """End a block that the stop of the run keeps from going on."""
    return skip_block(draft, key, plan, SkipKind.RUN_STOPPED, stop_reason(draft))


def skip_block(draft: Draft, key: str, plan: StepPlan, kind: SkipKind | None, reason: str) -> list[Work]:
    """End a block as skipped. Its progress stays, unlike that of a step that never began."""
    state = draft.step(key)
    assert state is not None
    draft.fact("step.skipped", key, attempt=state.attempt, kind=kind and str(kind), reason=reason)
    skipped = state._replace(
        status=StepStatus.SKIPPED, skip=kind, reason=reason, ended_at=draft.now, due_at=None, wait=None
    )
    draft.finish(key, skipped, step_type=plan.type)
    note_state(draft, key)
    return [key]


def reopen_block(draft: Draft, key: str) -> None:
    """Let a block that has ended, or waits, run again; no more than that."""
    state = draft.step(key)
    assert state is not None
    if state.status is StepStatus.RUNNING:
        return
    running = state._replace(status=StepStatus.RUNNING, skip=None, reason=None, ended_at=None, due_at=None, wait=None)
    draft.put(key, running, step_type=draft.plan_of(key).type)
    draft.fact("step.reopened", key, attempt=state.attempt)


def note_state(draft: Draft, key: str) -> None:
    """Have the outputs around the step find it as this transition leaves it."""
    state = draft.step(key)
    if state is not None:
        progress = None if state.progress is None else progress_to_json(state.progress)
        draft.add_payload(PayloadRef(PayloadKind.STATE, key), state_payload(state.status, progress))
