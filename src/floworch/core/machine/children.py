"""Steps that start runs of other flows, and wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

from floworch.core.machine.commands import ChildEnded, StartChild
from floworch.core.machine.draft import Draft
from floworch.core.machine.progress import ChildWait
from floworch.core.machine.state import SkipKind, StepState, WaitKind
from floworch.core.machine.steps import skip, stop_reason
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.policy.retry import next_delay

__all__ = ["end_child", "start_child", "stop_children", "waits_for_child"]

_ASK_AGAIN_AFTER: Final = timedelta(seconds=5)
"""A process may die between the stop of a run and that of its children."""

_Final: TypeAlias = list[str]
"""Keys of the steps that are final now."""


def waits_for_child(state: StepState | None) -> bool:
    return state is not None and state.status is StepStatus.PENDING and state.wait is WaitKind.CHILD


def start_child(draft: Draft, command: StartChild, state: StepState) -> _Final:
    """Start the child with this very change. The step waits for it, or has succeeded if it does not want to."""
    key, facts, plan = command.step_key, command.child.facts, draft.plan_of(command.step_key)
    assert facts.parent is not None
    if draft.stops(key):
        return skip(draft, key, plan, SkipKind.RUN_STOPPED, stop_reason(draft))
    draft.rarities.children.append(command.child)
    flow_name = command.child.plan.flow_name
    draft.fact("step.child_started", key, attempt=command.attempt, child=str(facts.run_id), flow=flow_name)
    state = state._replace(progress=ChildWait(str(facts.run_id), flow_name, command.on_failure))
    if not facts.parent.waits:
        return _succeed(draft, key, state, command.input, Payload.of({"runId": facts.run_id}))
    parked = state._replace(status=StepStatus.PENDING, wait=WaitKind.CHILD, owner=None)
    draft.put(key, parked, step_type=plan.type, inputs=command.input)
    draft.add_payload(_input_ref(key), command.input)
    return []


def end_child(draft: Draft, command: ChildEnded) -> _Final:
    """Go on with the step that has waited for the child, if there still is one."""
    key = command.step_key
    state = draft.step(key)
    draft.rarities.heard_of.append(command.child_id)
    if state is None or not _waits_for(state, command) or draft.state.status.is_final:
        return []
    inputs = draft.given(_input_ref(key))
    state = state._replace(wait=None, due_at=None)
    if command.status is RunStatus.SUCCEEDED:
        return _succeed(draft, key, state, inputs, command.output or Payload.of(None))
    if draft.stops(key):
        return skip(draft, key, draft.plan_of(key), SkipKind.RUN_STOPPED, stop_reason(draft))
    if command.status is RunStatus.SKIPPED:
        return skip(draft, key, draft.plan_of(key), SkipKind.HANDLER, f"the run {command.child_id} was skipped")
    assert isinstance(state.progress, ChildWait)
    if state.progress.on_failure == "continue":
        return _succeed(draft, key, state, inputs, Payload.of(None))
    return _fail(draft, command, state, inputs)


def stop_children(draft: Draft, keys: Sequence[str]) -> None:
    """Ask the runs that these steps wait for to stop, and ask again later: the steps are not final before they have."""
    draft.require(map(_input_ref, keys))
    due_at = draft.now + _ASK_AGAIN_AFTER
    for key in keys:
        state = draft.step(key)
        assert state is not None
        assert isinstance(state.progress, ChildWait)
        draft.rarities.children_to_stop.append(UUID(state.progress.run_id))
        inputs = draft.given(_input_ref(key))
        draft.put(key, state._replace(due_at=due_at), step_type=draft.plan_of(key).type, inputs=inputs)
        draft.transition.next_due = due_at


def _waits_for(state: StepState, command: ChildEnded) -> bool:
    progress = state.progress
    is_that = isinstance(progress, ChildWait) and progress.run_id == str(command.child_id)
    return is_that and waits_for_child(state) and state.attempt == command.attempt


def _succeed(draft: Draft, key: str, state: StepState, inputs: Payload | None, output: Payload) -> _Final:
    ended = state._replace(status=StepStatus.SUCCEEDED, ended_at=draft.now)
    draft.finish(key, ended, step_type=draft.plan_of(key).type, inputs=inputs, output=output)
    draft.add_payload(PayloadRef(PayloadKind.OUTPUT, key), output)
    draft.fact("step.completed", key, attempt=state.attempt)
    return [key]


def _fail(draft: Draft, command: ChildEnded, state: StepState, inputs: Payload | None) -> _Final:
    """Fail the attempt; the next one, if the policy of the step allows for one, starts another child."""
    key, plan = command.step_key, draft.plan_of(command.step_key)
    error = _error(command, state.progress)
    state = state._replace(failures=state.failures + 1, reason=error.message, ended_at=draft.now)
    policy = plan.retry or plan.default_retry or command.default_retry
    delay = next_delay(policy, state.failures, error, (), command.chance)
    if delay is None:
        draft.finish(key, state._replace(status=StepStatus.FAILED), step_type=plan.type, inputs=inputs, error=error)
        draft.add_payload(PayloadRef(PayloadKind.ERROR, key), Payload.of(error.to_json()))
        draft.fact("step.failed", key, attempt=state.attempt, error=error.to_json())
        return [key]
    due_at = draft.now + delay
    draft.put(key, state._replace(wait=WaitKind.RETRY, due_at=due_at), step_type=plan.type, inputs=inputs, error=error)
    retry_at = due_at.isoformat()
    draft.fact("step.attempt_failed", key, attempt=state.attempt, error=error.to_json(), retry_at=retry_at)
    draft.transition.next_due = due_at
    return []


def _error(command: ChildEnded, progress: object) -> StepError:
    assert isinstance(progress, ChildWait)
    why = f": {command.error}" if command.error else ""
    message = f"the run {command.child_id} of flow {progress.flow_name!r} ended {command.status}{why}"
    return StepError("ChildFailed", message)


def _input_ref(key: str) -> PayloadRef:
    return PayloadRef(PayloadKind.INPUT, key)
