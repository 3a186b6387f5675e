"""How the planner writes the rows of single steps: ready, skipped, failed, succeeded."""

from __future__ import annotations

from floworch.core.dag.plan import StepPlan
from floworch.core.machine.draft import Draft
from floworch.core.machine.state import SkipKind, StepState, WaitKind
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus, StopKind

__all__ = ["fail", "make_ready", "park_suspended", "skip", "stop_reason"]

_READY = StepStatus.READY


def make_ready(draft: Draft, key: str, plan: StepPlan, state: StepState, trace: Json = None) -> None:
    """Let any worker take the step, or start it right away for the worker that offers to run it. While the run is
    suspended, the step waits for the end of that instead."""
    if draft.transition.suspension is not None:
        park_suspended(draft, key, plan, state, trace)
        return
    offer = draft.offer
    claimed = draft.transition.claimed
    if offer is not None and len(claimed) < offer.limit and offer.accepts(plan.type, draft.facts):
        started = state.claimed(offer.owner, draft.now)
        if state.status is not _READY:
            started = started._replace(ready_at=draft.now, ended_at=None)
        draft.put(key, started, step_type=plan.type, lease_seconds=plan.lease_seconds or offer.lease_seconds)
        draft.fact("step.started", key, attempt=started.attempt, worker=offer.owner, when=trace)
        draft.transition.claimed = (*claimed, key)
        return
    ready = state._replace(
        status=StepStatus.READY,
        owner=None,
        ready_at=draft.now,
        started_at=None,
        ended_at=None,
        due_at=None,
        wait=None,
    )
    draft.put(key, ready, step_type=plan.type)
    draft.fact("step.ready", key, attempt=ready.attempt, when=trace)
    draft.add_ready(key)


def park_suspended(draft: Draft, key: str, plan: StepPlan, state: StepState, trace: Json = None) -> None:
    """Let a step that is ready wait until the run is resumed."""
    parked = state._replace(
        status=StepStatus.PENDING,
        wait=WaitKind.SUSPENDED,
        owner=None,
        ready_at=state.ready_at or draft.now,
        started_at=None,
        ended_at=None,
        due_at=None,
    )
    draft.put(key, parked, step_type=plan.type)
    draft.fact("step.suspended", key, attempt=parked.attempt, when=trace)


def skip(
    draft: Draft, key: str, plan: StepPlan, kind: SkipKind, reason: str, trace: Json = None, **data: Json
) -> list[str]:
    """Record a step as skipped; returns its key, which is final now. ``data`` is for the history."""
    earlier = draft.step(key)
    state = StepState(
        StepStatus.SKIPPED,
        attempt=earlier.attempt if earlier else 0,
        started_at=earlier.started_at if earlier else None,
        skip=kind,
        reason=reason,
        ended_at=draft.now,
    )
    draft.finish(key, state, step_type=plan.type, trace=trace or None)
    draft.fact("step.skipped", key, attempt=state.attempt, kind=str(kind), reason=reason, **data)
    return [key]


def fail(draft: Draft, key: str, plan: StepPlan, error: StepError, trace: Json = None, **data: Json) -> list[str]:
    """Record a step that fails by no report of its handler. ``data`` is for the history."""
    earlier = draft.step(key) or StepState(StepStatus.READY, ready_at=draft.now)
    state = earlier._replace(
        status=StepStatus.FAILED, reason=error.message, owner=None, due_at=None, wait=None, ended_at=draft.now
    )
    draft.finish(key, state, step_type=plan.type, error=error, trace=trace or None)
    draft.add_payload(PayloadRef(PayloadKind.ERROR, key), Payload.of(error.to_json()))
    draft.fact("step.failed", key, attempt=state.attempt, error=error.to_json(), **data)
    return [key]


def stop_reason(draft: Draft) -> str:
    """Why the run is being stopped, for people."""
    stop = draft.transition.stop
    if stop is None:  # a retry by hand has lifted the stop, but not what had followed from it
        return "the run was being stopped"
    word = "cancelled" if stop.kind is StopKind.CANCELLED else "past its deadline"
    return f"the run is {word}" + (f": {stop.reason}" if stop.reason else "")
