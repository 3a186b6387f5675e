"""What became of a commit during which the connection broke: the run itself tells.

What this worker claims in a commit no other one can have claimed, and a run's id is made by who starts it. So a claim
of ours that is found proves that the commit happened, and so does a run.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, TypeAlias
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

__all__ = ["ClaimKey", "answer_if_it_happened", "claim_in", "key_of"]

ClaimKey: TypeAlias = tuple[RunKey, str, int]
"""Run, step and attempt."""


def answer_if_it_happened(request: Request, run: CachedRun | None, worker_id: str, claimed: Set[ClaimKey]) -> Any:
    """The answer to a request whose commit was unclear, given the run as it is now; None when it is to be done again.

    ``claimed`` are the attempts that this process knows to be its own: another request has won those. The report of an
    attempt after which nothing was claimed is done again too: if it did happen, it is fenced.
    """
    if run is None:
        return None
    if isinstance(request, Claiming):
        claim = claim_in(request, True)
        return True if _is_found(claim, run, worker_id, claimed) else None
    is_ours = _is_found(_claim_of(request.run_id, request.tried), run, worker_id, claimed)
    if isinstance(request, Starting):
        return Started(request.run_id, duplicate=False, transition=request.tried if is_ours else None)
    return request.tried if is_ours or _has_left_mark(request, run) else None


def claim_in(request: Request, answer: Any) -> ClaimKey | None:
    """The attempt that this process has claimed, by that answer to the request."""
    if isinstance(request, Claiming):
        return (request.run_id.int, request.task.step_key, request.task.attempt + 1) if answer else None
    return _claim_of(request.run_id, answer.transition if isinstance(answer, Started) else answer)


def key_of(claim: StartedStep) -> ClaimKey:
    return (claim.run_id.int, claim.step_key, claim.attempt)


def _has_left_mark(request: Commanding, run: CachedRun) -> bool:
    """Whether what a person has asked for was done, by the very instant at which it was decided."""
    tried, command = request.tried, request.command
    if tried is None:
        return False
    if isinstance(command, StopRun):
        return run.state.stop is not None and run.state.stop == tried.stop
    if isinstance(command, SuspendRun):
        return run.state.suspension is not None and run.state.suspension == tried.suspension
    if isinstance(command, ResumeRun):
        return run.state.suspension is None
    if isinstance(command, MigrateRun):
        return run.state.facts.manifest_hash == command.plan.manifest_hash
    if isinstance(command, Override):
        decided, found = tried.steps.get(command.step_key), run.state.steps.get(command.step_key)
        return decided is not None and found == decided.state
    if isinstance(command, RetryStep | RetryFailed):
        retried = (fact["step"] for fact in tried.facts if fact["type"] == "step.retried")
        return any(_began_again(key, tried, run) for key in retried)
    if isinstance(command, StartChild):
        found = run.state.steps.get(command.step_key)
        progress = None if found is None else found.progress
        return isinstance(progress, ChildWait) and progress.run_id == str(command.child.facts.run_id)
    return False


def _began_again(step_key: str, tried: Transition, run: CachedRun) -> bool:
    decided, found = tried.steps.get(step_key), run.state.steps.get(step_key)
    return decided is not None and found is not None and found.ready_at == decided.state.ready_at is not None


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
