"""What became of a commit during which the connection broke: the run itself tells.

What this worker claims in a commit no other one can have claimed, and a run's id is made by who starts it. So a claim
of ours that is found proves that the commit happened, and so does a run. What a person has asked for is told by the
history: the run may have gone on since, and the rows by which one could see it may be gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from floworch.core.engine.requests import Claiming, Commanding, Request, Started, Starting, started_by
from floworch.core.engine.runs import CachedRun
from floworch.core.machine.commands import (
    MigrateRun,
    Override,
    ResumeRun,
    RetryFailed,
    RetryStep,
    StartChild,
    StopRun,
    SuspendRun,
)
from floworch.core.machine.progress import ChildWait
from floworch.core.model.status import StepStatus
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import Storage

__all__ = ["answer_if_it_happened", "claim_in", "is_by_hand", "is_told"]

_BY_HAND = (StopRun, SuspendRun, ResumeRun, MigrateRun, RetryStep, RetryFailed, *get_args(Override))


def answer_if_it_happened(
    request: Request, run: CachedRun | None, worker_id: str, is_taken: Callable[[StartedStep], bool], *, told: bool
) -> Any:
    """The answer to a request whose commit was unclear, given the run as it is now; None when it is to be done again.

    ``is_taken`` tells whether this process knows an attempt to be its own: another request has won it. ``told`` is
    :func:`is_told`. The report of an attempt after which nothing was claimed is done again too: if it did happen, it is
    fenced.
    """
    if run is None:
        return None
    if isinstance(request, Claiming):
        claim = claim_in(request, True)
        return True if _is_found(claim, run, worker_id, is_taken) else None
    is_ours = _is_found(started_by(request.run_id, request.tried), run, worker_id, is_taken)
    if isinstance(request, Starting):
        return Started(request.run_id, duplicate=False, transition=request.tried if is_ours else None)
    return request.tried if is_ours or told or _has_started_child(request, run) else None


def is_by_hand(request: Request) -> bool:
    """Whether it is what a person has asked for, which leaves nothing in the run by which it is always known."""
    return isinstance(request, Commanding) and isinstance(request.command, _BY_HAND)


async def is_told(store: Storage, request: Request) -> bool:
    """Whether the history of the run has what was decided for the unclear commit of a request :func:`is_by_hand`.

    To be asked after the run was loaded: a commit that lands in between conflicts with what is decided on that."""
    if not isinstance(request, Commanding) or request.tried is None or not is_by_hand(request):
        return False
    fact = request.tried.facts[0]
    mark = (request.tried_at, fact["type"], fact.get("step"))
    events = await store.list_events(request.run_id)
    while events:
        if mark in [(each.at, each.type, each.step_key) for each in events]:
            return True
        events = await store.list_events(request.run_id, events[-1].sequence)
    return False


def claim_in(request: Starting | Claiming, answer: Any) -> StartedStep | None:
    """The attempt that this process has claimed, by that answer to the request."""
    if isinstance(request, Claiming):
        return StartedStep(request.run_id, request.task.step_key, request.task.attempt + 1) if answer else None
    return started_by(request.run_id, answer.transition)


def _has_started_child(request: Commanding, run: CachedRun) -> bool:
    command = request.command
    if request.tried is None or not isinstance(command, StartChild):
        return False
    found = run.state.steps.get(command.step_key)
    progress = None if found is None else found.progress
    return isinstance(progress, ChildWait) and progress.run_id == str(command.child.facts.run_id)


def _is_found(
    claim: StartedStep | None, run: CachedRun, worker_id: str, is_taken: Callable[[StartedStep], bool]
) -> bool:
    """Whether the run has the claim, and it is not that of another request."""
    if claim is None or is_taken(claim):
        return False
    step = run.state.steps.get(claim.step_key)
    is_running = step is not None and step.status is StepStatus.RUNNING and step.attempt == claim.attempt
    return is_running and step is not None and step.owner == worker_id
