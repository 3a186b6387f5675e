"""What became of a commit during which the connection broke: the run itself tells.

What this worker claims in a commit no other one can have claimed, and a run's id is made by who starts it. So a claim
of ours that is found proves that the commit happened, and so does a run. What a person has asked for is told by the
history: the run may have gone on since, and the rows by which one could see it may be gone.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, TypeAlias, get_args
from uuid import UUID

from floworch.core.engine.requests import Claiming, Commanding, Request, Started, Starting
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
from floworch.core.machine.transition import Transition
from floworch.core.model.ids import RunKey
from floworch.core.model.status import StepStatus
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import Storage

__all__ = ["ClaimKey", "answer_if_it_happened", "claim_in", "is_by_hand", "is_told", "key_of"]

ClaimKey: TypeAlias = tuple[RunKey, str, int]
"""Run, step and attempt."""

_BY_HAND = (StopRun, SuspendRun, ResumeRun, MigrateRun, RetryStep, RetryFailed, *get_args(Override))


def answer_if_it_happened(
    request: Request, run: CachedRun | None, worker_id: str, claimed: Set[ClaimKey], *, told: bool
) -> Any:
    """The answer to a request whose commit was unclear, given the run as it is now; None when it is to be done again.

    ``claimed`` are the attempts that this process knows to be its own: another request has won those. ``told`` is
    :func:`is_told`. The report of an attempt after which nothing was claimed is done again too: if it did happen, it is
    fenced.
    """
    if run is None:
        return None
    if isinstance(request, Claiming):
        claim = claim_in(request, True)
        return True if _is_found(claim, run, worker_id, claimed) else None
    is_ours = _is_found(_claim_of(request.run_id, request.tried), run, worker_id, claimed)
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


def claim_in(request: Request, answer: Any) -> ClaimKey | None:
    """The attempt that this process has claimed, by that answer to the request."""
    if isinstance(request, Claiming):
        return (request.run_id.int, request.task.step_key, request.task.attempt + 1) if answer else None
    return _claim_of(request.run_id, answer.transition if isinstance(answer, Started) else answer)


def key_of(claim: StartedStep) -> ClaimKey:
    return (claim.run_id.int, claim.step_key, claim.attempt)


def _has_started_child(request: Commanding, run: CachedRun) -> bool:
    command = request.command
    if request.tried is None or not isinstance(command, StartChild):
        return False
    found = run.state.steps.get(command.step_key)
    progress = None if found is None else found.progress
    return isinstance(progress, ChildWait) and progress.run_id == str(command.child.facts.run_id)


def _claim_of(run_id: UUID, transition: Transition | None) -> ClaimKey | None:
    if transition is None or not transition.claimed:
        return None
    key = transition.claimed[0]
    return (run_id.int, key, transition.steps[key].state.attempt)


def _is_found(claim: ClaimKey | None, run: CachedRun, worker_id: str, claimed: Set[ClaimKey]) -> bool:
    """Whether the run has the claim, and it is not that of another request."""
    if claim is None or claim in claimed:
        return False
    _, step_key, attempt = claim
    step = run.state.steps.get(step_key)
    return (
        step is not None and step.status is StepStatus.RUNNING and step.attempt == attempt and step.owner == worker_id
    )
