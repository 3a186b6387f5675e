"""Suspending and resuming a run.

A suspended run is still ``Running``: what is under way ends as usual, timers and deadlines count, signals come. Only
what would be ready waits. As with a stop, the ready steps are rewritten, so that no claim has to look at the run.
"""

from __future__ import annotations

from floworch.core.machine.commands import ResumeRun, SuspendRun
from floworch.core.machine.draft import Draft, who
from floworch.core.machine.state import Suspension, WaitKind
from floworch.core.machine.steps import make_ready, park_suspended
from floworch.core.model.status import StepStatus
from floworch.errors import InvalidTransition

__all__ = ["lift_suspension", "resume_run", "suspend_run"]


def suspend_run(draft: Draft, command: SuspendRun) -> None:
    """Start no more steps. Raises InvalidTransition when that is so already, and for a run that ends or has ended."""
    _require_running(draft)
    earlier = draft.transition.suspension
    if earlier is not None:
        since = earlier.at.isoformat(timespec="seconds") + (f": {earlier.reason}" if earlier.reason else "")
        raise InvalidTransition(f"the run {draft.facts.run_id} is already suspended, since {since}")
    if draft.transition.stop is not None:
        raise InvalidTransition(f"the run {draft.facts.run_id} is being stopped ({draft.transition.stop.kind})")
    draft.suspend(Suspension(command.reason, command.by, draft.now))
    draft.fact("run.suspended", reason=command.reason, **who(command.by))
    for key, state in draft.state.steps.items():
        if state.status is StepStatus.READY:
            park_suspended(draft, key, draft.plan_of(key), state)


def resume_run(draft: Draft, command: ResumeRun) -> None:
    """Make ready what has waited for it. Raises InvalidTransition for a run that is not suspended."""
    _require_running(draft)
    if draft.transition.suspension is None:
        raise InvalidTransition(f"the run {draft.facts.run_id} is not suspended")
    draft.fact("run.resumed", **who(command.by))
    lift_suspension(draft)


def lift_suspension(draft: Draft) -> None:
    """Let the run go on, if it is suspended. What a stop keeps from running must have ended before."""
    if draft.transition.suspension is None:
        return
    draft.suspend(None)
    for key in draft.state.steps:
        state = draft.step(key)
        if state is not None and state.wait is WaitKind.SUSPENDED:
            make_ready(draft, key, draft.plan_of(key), state)


def _require_running(draft: Draft) -> None:
    if draft.state.status.is_final:
        raise InvalidTransition(f"the run {draft.facts.run_id} has already ended {draft.state.status}")
