"""What follows from a commit: the cache learns of it, the engine goes on, and who asked gets an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from floworch.core.engine.batch import RunWork
from floworch.core.engine.child_starts import without_child
from floworch.core.engine.deciding import Decisions
from floworch.core.engine.requests import Claiming, Commanding, Request, Started, Starting
from floworch.core.engine.runs import CachedRun, Runs
from floworch.core.engine.unclear import answer_if_it_happened, claim_in, is_by_hand
from floworch.core.machine.apply import claim_step
from floworch.core.machine.commands import StartChild
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.status import StepStatus
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import BatchResult, Outcome

__all__ = ["Aftermath"]

_DONE = Outcome.DONE


class Aftermath:
    """``on_committed`` is called with the run's state and each transition, before its request is answered. ``is_held``
    tells whether a slot of this process holds the lease of an attempt."""

    def __init__(
        self,
        runs: Runs,
        worker_id: str,
        on_committed: Callable[[RunState, Transition], None],
        is_held: Callable[[UUID, str, int], bool],
    ) -> None:
        self._runs = runs
        self._worker_id = worker_id
        self._on_committed = on_committed
        self._is_held = is_held
        self._claimed: set[StartedStep] = set()
        """Attempts that requests have been answered with, and whose leases no slot holds yet."""

    def committed(self, decided: Decisions, result: BatchResult) -> list[Request]:
        """Tell everybody; returns the requests whose runs others have moved meanwhile, to be decided again."""
        for work, run_id in zip(decided.creations, result.creations, strict=False):
            self._created(work, run_id)
        again: list[Request] = []
        for work, outcome in zip(decided.advances, result.advances, strict=True):
            if outcome is _DONE:
                self._advanced(work)
            else:
                again += self._forget(work)
        if decided.children:
            self._children_created(decided, result)
        for claim, outcome in zip(decided.claims, result.claims, strict=True):
            self._decided_claim(claim, outcome, decided.now)
        return again

    def failed(self, decided: Decisions) -> None:
        """What became of the batch is not known, and so neither how its runs are."""
        for work in (*decided.creations, *decided.advances):
            self._runs.drop(work.run.state.facts.run_id)

    def answer(self, request: Request, answer: Any) -> None:
        if request.reply.is_over:
            return
        if not isinstance(request, Commanding) and (claim := claim_in(request, answer)) is not None:
            self._claimed.add(claim)
        request.reply.tell(answer)

    def has_happened(self, request: Request, run: CachedRun | None, *, told: bool) -> bool:
        """Clear up a request that was in an unclear commit, given the run as it is now, and whether its history tells
        of the request."""
        answer = answer_if_it_happened(request, run, self._worker_id, self._is_taken, told=told)
        if answer is not None:
            self.answer(request, answer)
        # Later on, a claim that is found may be that of another request. A run, or what the history tells, is always
        # that of its own one: the commit may still be on its way.
        request.is_unclear = isinstance(request, Starting) or is_by_hand(request)
        return answer is not None

    def forget_claim(self, step: StartedStep) -> None:
        """A slot holds the lease of the attempt."""
        self._claimed.discard(step)

    def _is_taken(self, claim: StartedStep) -> bool:
        """Whether somebody here has it, or will soon."""
        return claim in self._claimed or self._is_held(*claim)

    def _created(self, work: RunWork, run_id: UUID) -> None:
        request, transition = work.done[0]
        if run_id != request.run_id:
            self.answer(request, Started(run_id, duplicate=True, transition=None))
            return
        self._follow(work)
        self.answer(request, Started(run_id, duplicate=False, transition=transition))

    def _children_created(self, decided: Decisions, result: BatchResult) -> None:
        advances = zip(decided.advances, result.advances, strict=True)
        done = {work.run.state.facts.run_id for work, outcome in advances if outcome is Outcome.DONE}
        for child, run_id in zip(decided.children, result.creations[len(decided.creations) :], strict=True):
            self._child_created(child, run_id, done)

    def _child_created(self, work: RunWork, owner: UUID, done: Collection[UUID]) -> None:
        """``owner`` is the run that has the idempotency key, ``done`` are the runs that have advanced."""
        facts, request = work.run.state.facts, work.done[0][0]
        assert facts.parent is not None
        if facts.parent.run_id in done:
            self._follow(work)
        elif owner != facts.run_id and isinstance(request, Commanding) and isinstance(request.command, StartChild):
            request.command = without_child(request.command, owner)

    def _advanced(self, work: RunWork) -> None:
        self._follow(work)
        for request, transition in work.done:
            self.answer(request, True if isinstance(request, Claiming) else transition)

    def _follow(self, work: RunWork) -> None:
        work.committed()
        state = work.run.state
        if state.status.is_final:
            self._runs.drop(state.facts.run_id)
        else:
            self._runs.put(work.run)
        for _, transition in work.done:
            self._on_committed(state, transition)

    def _forget(self, work: RunWork) -> Iterable[Request]:
        self._runs.drop(work.run.state.facts.run_id)
        for request, _ in work.done:
            if isinstance(request, Commanding):
                request.payloads.clear()
            yield request

    def _decided_claim(self, request: Claiming, outcome: Outcome, now: datetime) -> None:
        run = self._runs.get(request.run_id)
        if outcome is Outcome.CONFLICT:
            self._runs.drop(request.run_id)
        elif outcome is Outcome.DONE and run is not None:
            _note_claim(run, request, now)
        request.was_refused = outcome is Outcome.LIMITED
        self.answer(request, outcome is Outcome.DONE)


def _note_claim(run: CachedRun, request: Claiming, now: datetime) -> None:
    step = run.state.steps.get(request.task.step_key)
    if step is not None and step.status is StepStatus.READY and step.attempt == request.task.attempt:
        claim_step(run.state, request.task.step_key, request.offer.owner, now)
