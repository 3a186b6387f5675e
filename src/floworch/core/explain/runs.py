"""Why a run goes on, or why it has ended as it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from floworch.core.dag.keys import COMPENSATE, child_key, is_shielded, scope_of, split_scope
from floworch.core.dag.lookup import scope_plan
from floworch.core.dag.outcome import unhandled_failures
from floworch.core.explain import words
from floworch.core.explain.endings import culprits, how_it_ended
from floworch.core.explain.reasons import Explanation, Reason, ReasonCode
from floworch.core.explain.situation import Situation
from floworch.core.explain.under_way import holders, why_under_way
from floworch.core.machine.children import waits_for_child
from floworch.core.machine.state import RunState
from floworch.core.model.status import RunStatus, StepStatus, StopKind

__all__ = ["blamed", "explain_run", "in_order"]

_MOST_REASONS = 50
_MOST_THEN = 100
_ENDS = {
    RunStatus.SUCCEEDED: ReasonCode.SUCCEEDED,
    RunStatus.FAILED: ReasonCode.FAILED,
    RunStatus.SKIPPED: ReasonCode.SKIPPED_INSIDE,
    RunStatus.CANCELLED: ReasonCode.CANCELLED,
    RunStatus.TIMED_OUT: ReasonCode.TIMED_OUT,
}
_RANKS = {code: rank for rank, code in enumerate(ReasonCode)}


def explain_run(situation: Situation) -> Explanation:
    """Why the run has not ended: what holds it up. Or how it has ended, and because of what.

    Raises PayloadsNeeded where steps take signals by what is in them.
    """
    return _ended(situation) if situation.state.status.is_final else _under_way(situation)


def in_order(reasons: Sequence[Reason]) -> list[Reason]:
    """The most telling ones first, among equals the oldest."""
    return sorted(reasons, key=lambda each: (_RANKS[each.code], each.since is None, each.since, each.step_key or ""))


def blamed(situation: Situation) -> list[str]:
    """Keys of the steps that the run has failed because of, down to those that have failed by themselves."""
    state = situation.state
    left = [key for key, step in state.steps.items() if _is_left(key, step.status)]
    if state.stop is not None or left:
        return left

    def status_of(key: str) -> StepStatus | None:
        step = state.step(key)
        return None if step is None else step.status

    failed = unhandled_failures(state.plan.root, status_of)
    return list(dict.fromkeys(name for key in failed for name in culprits(situation, key)))


def _is_left(key: str, status: StepStatus) -> bool:
    return status is StepStatus.FAILED and split_scope(scope_of(key))[1] == COMPENSATE


# -- under way


def _under_way(situation: Situation) -> Explanation:
    state, name = situation.state, situation.plan.flow_name
    of_run = _about_the_run(situation)
    found = in_order([why_under_way(situation, key) for key in holders(situation)])
    sentence = " ".join([*(reason.sentence for reason in of_run), *_told(found)])
    return Explanation(
        about={"runId": str(state.facts.run_id)},
        status=str(state.status),
        sentence=f"The run of flow {name!r} is under way. {sentence}".strip(),
        reasons=(*of_run, *found[:_MOST_REASONS]),
        then=_then(state),
        left_off=max(len(found) - _MOST_REASONS, 0),
    )


def _told(reasons: Sequence[Reason]) -> list[str]:
    if not reasons:
        return []
    others = len(reasons) - 1
    verb = "holds" if others == 1 else "hold"
    rest = [f"{words.number(others, 'other step')} {verb} it up as well."] if others else []
    return [reasons[0].sentence, *rest]


def _about_the_run(situation: Situation) -> list[Reason]:
    return [
        reason for reason in (_suspended(situation), _stopping(situation), _overdue(situation)) if reason is not None
    ]


def _suspended(situation: Situation) -> Reason | None:
    suspension = situation.state.suspension
    if suspension is None:
        return None
    by = f" by {suspension.by}" if suspension.by else ""
    why = f": {suspension.reason}" if suspension.reason else ""
    at = words.ago(suspension.at, situation.now)
    waits = any(map(waits_for_child, situation.state.steps.values()))
    children = "; runs that its steps wait for are not suspended with it" if waits else ""
    sentence = f"It was suspended{by} at {at}{why}; nothing new starts in it until it is resumed{children}."
    details = {"by": suspension.by, "reason": suspension.reason}
    return Reason(ReasonCode.SUSPENDED, None, sentence, suspension.at, None, details)


def _stopping(situation: Situation) -> Reason | None:
    stop = situation.state.stop
    if stop is None:
        return None
    is_cancel = stop.kind is StopKind.CANCELLED
    what = "is being cancelled" if is_cancel else "has passed its deadline and is being stopped"
    why = f": {stop.reason}" if stop.reason else ""
    keys = holders(situation)
    cleaning = [key for key in keys if is_shielded(key)]
    first = f" It waits for {words.names(keys)} to end." if keys else ""
    sentence = words.closed(f"It {what}{words.since(stop.at, situation.now)}{why}") + first
    details: dict[str, Any] = {"kind": str(stop.kind), "reason": stop.reason, "waitsFor": keys, "cleanUp": cleaning}
    return Reason(ReasonCode.STOPPING, None, sentence, stop.at, None, details)


def _overdue(situation: Situation) -> Reason | None:
    deadline, stop = situation.state.deadline, situation.state.stop
    if deadline is None or stop is not None or deadline > situation.now:
        return None
    passed = words.ago(deadline, situation.now)
    sentence = f"Its deadline passed at {passed}, and no process that works has acted on it yet."
    return Reason(ReasonCode.OVERDUE, None, sentence, deadline)


def _then(state: RunState) -> list[str]:
    """Steps of the flow, and of what is under way inside it, that have not begun."""
    found = (
        child_key(scope, key)
        for scope, count in state.open_steps.items()
        if count and split_scope(scope)[1] != COMPENSATE
        for key in scope_plan(state.plan, scope).steps
    )
    return [key for key in found if key not in state.steps][:_MOST_THEN]


# -- ended


def _ended(situation: Situation) -> Explanation:
    state = situation.state
    because = _because(situation)
    first = f" {because[0].sentence}" if because else ""
    own = _outcome(situation)
    return Explanation(
        about={"runId": str(state.facts.run_id)},
        status=str(state.status),
        sentence=own.sentence + first,
        reasons=(own, *because[:_MOST_REASONS]),
        left_off=max(len(because) - _MOST_REASONS, 0),
    )


def _outcome(situation: Situation) -> Reason:
    state = situation.state
    at = "" if state.ended_at is None else f" at {words.ago(state.ended_at, situation.now)}"
    stop = f": {state.stop.reason}" if state.stop is not None and state.stop.reason else ""
    sentence = words.closed(f"The run of flow {situation.plan.flow_name!r} {_end(state.status)}{at}{stop}")
    return Reason(_ENDS[state.status], None, sentence, state.ended_at)


def _end(status: RunStatus) -> str:
    match status:
        case RunStatus.CANCELLED:
            return "was cancelled"
        case RunStatus.TIMED_OUT:
            return "passed its deadline and was stopped"
        case RunStatus.SKIPPED:
            return "did nothing, because all its last steps were skipped,"
        case _:
            return status.value.lower()


def _because(situation: Situation) -> list[Reason]:
    state = situation.state
    if state.status is RunStatus.FAILED:
        return [_blame(situation, key, reason) for key in blamed(situation) for reason in how_it_ended(situation, key)]
    if state.status is RunStatus.SKIPPED:
        leaves = [step.key for step in state.plan.root.leaves]
        return list({reason.step_key: reason for key in leaves for reason in how_it_ended(situation, key)}.values())
    return []


def _blame(situation: Situation, key: str, reason: Reason) -> Reason:
    if split_scope(scope_of(key))[1] != COMPENSATE:
        return reason
    sentence = f"Not everything is undone: {reason.sentence[0].lower()}{reason.sentence[1:]}"
    return Reason(ReasonCode.NOT_UNDONE, key, sentence, reason.since, reason.until, reason.details)
