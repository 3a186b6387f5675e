"""How a step has ended, and why."""

from __future__ import annotations

from typing import Any

from floworch.core.dag.keys import child_key, own_key, scope_of
from floworch.core.explain import words
from floworch.core.explain.reasons import Reason, ReasonCode
from floworch.core.explain.situation import Situation
from floworch.core.machine.progress import GroupProgress, LoopProgress, UntilProgress
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.model.status import StepStatus

__all__ = ["culprits", "how_it_ended"]

_SKIPS = {
    SkipKind.PREREQUISITES_UNMET: ReasonCode.SKIPPED_BY_DEPENDENCY,
    SkipKind.WHEN_FALSE: ReasonCode.SKIPPED_BY_CONDITION,
    SkipKind.RUN_STOPPED: ReasonCode.SKIPPED_BY_STOP,
    SkipKind.HANDLER: ReasonCode.SKIPPED_BY_HANDLER,
    SkipKind.OPERATOR: ReasonCode.SKIPPED_BY_HAND,
    None: ReasonCode.SKIPPED_INSIDE,
}


def how_it_ended(situation: Situation, key: str) -> list[Reason]:
    """How the step has ended, then what that follows from, back to where it began."""
    reasons: list[Reason] = []
    queue = [key]
    seen: set[str] = set()
    while queue:
        current = queue.pop(0)
        state = situation.step(current)
        if current in seen or state is None or not state.is_final:
            continue
        seen.add(current)
        reasons.append(_ending(situation, current, state))
        queue += _origins(situation, current, state)
    return reasons


def culprits(situation: Situation, key: str) -> list[str]:
    """The failed steps that a failed step has failed because of, down to those that have failed by themselves."""
    state = situation.step(key)
    inner = [] if state is None else _failed_inside(state)
    return [name for each in inner for name in culprits(situation, each)] or [key]


def _origins(situation: Situation, key: str, state: StepState) -> list[str]:
    if state.status is StepStatus.FAILED:
        return [name for name in culprits(situation, key) if name != key]
    if state.skip is SkipKind.PREREQUISITES_UNMET:
        return _blockers(situation, key)[:1]
    return []


def _failed_inside(state: StepState) -> list[str]:
    match state.progress:
        case LoopProgress(first_failure=str(first)) | UntilProgress(first_failure=str(first)):
            return [first]
        case GroupProgress(not_undone=not_undone, first_failure=first):
            return [*not_undone, *([first] if first else [])]
        case _:
            return []


def _blockers(situation: Situation, key: str) -> list[str]:
    """The dependencies that have ended otherwise than the step wants."""
    scope, plan = scope_of(key), situation.plan_of(key)
    ended = [
        (child_key(scope, name), accepted, situation.step(child_key(scope, name)))
        for name, accepted in plan.run_after.items()
    ]
    return [name for name, accepted, state in ended if state and state.is_final and state.status not in accepted]


def _ending(situation: Situation, key: str, state: StepState) -> Reason:
    match state.status:
        case StepStatus.SUCCEEDED:
            return _succeeded(situation, key, state)
        case StepStatus.FAILED:
            return _failed(situation, key, state)
        case _:
            return _skipped(situation, key, state)


def _succeeded(situation: Situation, key: str, state: StepState) -> Reason:
    record = situation.record_of(key)
    origin = None if record is None else record.reused_from
    reused = "" if origin is None else f" in the run {origin}, from which it was taken over"
    sentence = f"Step {key!r} succeeded{_at(situation, state)}{_attempt(state)}{reused}."
    details = {"attempt": state.attempt, "reusedFrom": None if origin is None else str(origin)}
    return Reason(ReasonCode.SUCCEEDED, key, sentence, state.ended_at, None, details)


def _failed(situation: Situation, key: str, state: StepState) -> Reason:
    record = situation.record_of(key)
    error: dict[str, Any] = dict(record.error) if record is not None and record.error else {}
    why = f"{error['type']}: {error['message']}" if error else state.reason
    sentence = words.closed(f"Step {key!r} failed{_at(situation, state)}{_attempt(state)}: {why}")
    details = {"attempt": state.attempt, "errorType": error.get("type"), "error": error.get("message") or state.reason}
    return Reason(ReasonCode.FAILED, key, sentence, state.ended_at, None, details)


def _skipped(situation: Situation, key: str, state: StepState) -> Reason:
    record = situation.record_of(key)
    details: dict[str, Any] = {"reason": state.reason}
    if state.skip is SkipKind.PREREQUISITES_UNMET:
        details |= _dependencies(situation, key)
    if record is not None and record.trace:
        details["conditions"] = [dict(each) for each in record.trace]
    why = f": {state.reason}" if state.reason else ""
    sentence = words.closed(f"Step {key!r} was skipped{_at(situation, state)}{why}{_wanted(details)}")
    return Reason(_SKIPS[state.skip], key, sentence, state.ended_at, None, details)


def _dependencies(situation: Situation, key: str) -> dict[str, Any]:
    blockers = _blockers(situation, key)[:1]
    if not blockers:
        return {}
    accepted = situation.plan_of(key).run_after[own_key(blockers[0])]
    state = situation.step(blockers[0])
    ended = None if state is None else str(state.status)
    return {"dependency": blockers[0], "ended": ended, "accepts": sorted(map(str, accepted))}


def _wanted(details: dict[str, Any]) -> str:
    return f", and it runs after that one {' or '.join(details['accepts'])}" if "accepts" in details else ""


def _at(situation: Situation, state: StepState) -> str:
    return "" if state.ended_at is None else f" at {words.ago(state.ended_at, situation.now)}"


def _attempt(state: StepState) -> str:
    return f" in attempt {state.attempt}" if state.attempt > 1 else ""
