"""What people decide about single steps: how one ends, or that one need not wait for its time.

The row is final from then on, so whatever its handler still reports is fenced by the status, and by the attempt where
the step runs again.
"""

from __future__ import annotations

from typing import assert_never
from uuid import UUID

from floworch.core.dag.keys import child_key, scope_of
from floworch.core.dag.lookup import find_step
from floworch.core.machine.children import waits_for_child
from floworch.core.machine.commands import CompleteStep, FailStep, Override, RunStepNow, SkipStep
from floworch.core.machine.draft import Draft, who
from floworch.core.machine.progress import ChildWait, Hurried
from floworch.core.machine.state import SkipKind, StepState, WaitKind
from floworch.core.machine.steps import fail, skip
from floworch.core.machine.waits.signals import deliver
from floworch.core.machine.waking import wake
from floworch.core.model.payload import PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus
from floworch.errors import InvalidTransition, StepNotFound

__all__ = ["override"]

_FOR_A_TIME = (WaitKind.RETRY, WaitKind.DEFERRED, WaitKind.ITERATION)
_FOR_WHAT = {
    WaitKind.SIGNAL: "it waits for a signal; send that, or complete the step",
    WaitKind.CHILD: "it waits for the run that it has started",
    WaitKind.SUSPENDED: "the run is suspended; resume it",
}


def override(draft: Draft, command: Override) -> list[str]:
    """Do with the step what somebody wants; returns the keys of the steps that are final now.

    Raises StepNotFound; InvalidTransition for a step that has ended or not begun, and for a block.
    """
    key = command.step_key
    state = _under_way(draft, key)
    if isinstance(command, RunStepNow):
        return _run_now(draft, command, state)
    if state.is_block:
        raise InvalidTransition(f"{key!r} is made of steps: complete, fail or skip those inside it instead")
    _let_go(draft, key, state)
    final = _end(draft, command, state)
    return [*final, *deliver(draft)] if state.wait is WaitKind.SIGNAL else final


def _end(draft: Draft, command: CompleteStep | FailStep | SkipStep, state: StepState) -> list[str]:
    key, plan = command.step_key, draft.plan_of(command.step_key)
    match command:
        case CompleteStep():
            return _complete(draft, command, state)
        case FailStep():
            error = StepError("FailedByOperator", command.reason, retryable=False)
            return fail(draft, key, plan, error, by_hand=True, **who(command.by))
        case SkipStep():
            return skip(draft, key, plan, SkipKind.OPERATOR, command.reason, by_hand=True, **who(command.by))
        case _:
            assert_never(command)


def _complete(draft: Draft, command: CompleteStep, state: StepState) -> list[str]:
    key = command.step_key
    ended = state.ended(StepStatus.SUCCEEDED, draft.now, command.reason)
    draft.finish(key, ended, step_type=draft.plan_of(key).type, output=command.output)
    draft.add_payload(PayloadRef(PayloadKind.OUTPUT, key), command.output)
    reason = {} if command.reason is None else {"reason": command.reason}
    draft.fact("step.completed", key, attempt=state.attempt, by_hand=True, **reason, **who(command.by))
    return [key]


def _let_go(draft: Draft, key: str, state: StepState) -> None:
    """Ask what is at work for the step to stop. Nobody waits for that: a child that does not hear of it goes on."""
    if state.status is StepStatus.RUNNING:
        draft.rarities.interrupted.append(key)
    elif waits_for_child(state):
        assert isinstance(state.progress, ChildWait)
        draft.rarities.children_to_stop.append(UUID(state.progress.run_id))


def _run_now(draft: Draft, command: RunStepNow, state: StepState) -> list[str]:
    key = command.step_key
    if draft.transition.suspension is not None:
        raise InvalidTransition(f"step {key!r} cannot run now: {_FOR_WHAT[WaitKind.SUSPENDED]}")
    if state.status is not StepStatus.PENDING:
        raise InvalidTransition(f"step {key!r} does not wait for a time: it is {state.status}")
    if state.wait not in _FOR_A_TIME:
        why = "" if state.wait is None else f": {_FOR_WHAT[state.wait]}"
        raise InvalidTransition(f"step {key!r} does not wait for a time{why}")
    draft.fact("step.run_now", key, **who(command.by))
    if state.wait is WaitKind.DEFERRED and state.progress is None:
        state = state._replace(progress=Hurried())
    return wake(draft, key, state)


def _under_way(draft: Draft, key: str) -> StepState:
    if draft.state.status.is_final:
        raise InvalidTransition(f"the run {draft.facts.run_id} has already ended {draft.state.status}")
    state = draft.step(key)
    if state is None:
        raise _not_begun(draft, key)
    if state.is_final:
        raise InvalidTransition(f"step {key!r} has ended: it is {state.status}")
    return state


def _not_begun(draft: Draft, key: str) -> StepNotFound | InvalidTransition:
    plan, scope = find_step(draft.plan, key), scope_of(key)
    if plan is None:
        return StepNotFound(f"flow {draft.plan.flow_name!r} has no step {key!r}")
    if not draft.knows(scope):
        return InvalidTransition(f"step {key!r} cannot be acted on: {scope!r} has not begun, or is over")
    before = {name: draft.step(child_key(scope, name)) for name in plan.run_after}
    unmet = [repr(name) for name, state in before.items() if state is None or not state.is_final]
    why = f": it waits for {' and '.join(unmet)}" if unmet else ""
    return InvalidTransition(f"step {key!r} has not begun{why}")
