"""What the planner remembers of a polling step between two polls."""

from __future__ import annotations

from floworch.core.dag.plan import StepPlan
from floworch.core.machine.progress import PollProgress
from floworch.core.machine.state import StepState
from floworch.core.model.payload import Json

__all__ = ["after_poll", "poll_facts", "with_clock"]


def after_poll(state: StepState) -> StepState:
    """The step after a result that was not what it waits for: there will be another poll.

    It has got an answer, so what went wrong before counts no more: failures and lost attempts count in a row.
    """
    polls = state.progress.polls if isinstance(state.progress, PollProgress) else 0
    return state._replace(progress=PollProgress(polls + 1), failures=0, lost=0)


def poll_facts(state: StepState) -> dict[str, Json]:
    """Which poll it was, for the history."""
    return {"poll": state.progress.polls} if isinstance(state.progress, PollProgress) else {}


def with_clock(state: StepState, plan: StepPlan) -> StepState:
    """The step after an attempt that came to nothing. If it polls, its time runs on from the start of the first one."""
    if plan.poll is None or state.waiting_since is not None:
        return state
    return state._replace(waiting_since=state.started_at)
