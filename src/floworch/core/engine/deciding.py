"""What a batch of requests makes of the runs that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from floworch.core.engine.batch import RunWork, claim_of, start_child_work, start_work
from floworch.core.engine.outage import fail
from floworch.core.engine.requests import Claiming, Commanding, Request, Starting
from floworch.core.machine.commands import ClaimStep, Command, StartChild
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.state import RunFacts
from floworch.core.machine.transition import Transition
from floworch.core.model.ids import RunKey
from floworch.core.model.payload import PayloadRef
from floworch.core.ports.storage import Batch
from floworch.errors import FloworchError, InvalidTransition, ManifestNotUnderstood, RunNotFound, StepNotFound

__all__ = ["Decisions"]


@dataclass(slots=True)
class Decisions:
    """What goes into one batch, decided at ``now``, and what does not. ``works``: the runs that commands are about."""

    now: datetime
    works: dict[RunKey, RunWork]
    unreadable: Mapping[RunKey, ManifestNotUnderstood] = field(default_factory=dict)
    """Runs that are left to newer processes."""
    creations: list[RunWork] = field(default_factory=list)
    advances: list[RunWork] = field(default_factory=list)
    children: list[RunWork] = field(default_factory=list)
    """New runs that are written if, and only if, the advance of the run that starts them is."""
    claims: list[Claiming] = field(default_factory=list)
    lost: list[Claiming] = field(default_factory=list)
    """Claims of steps that are not ready any more."""
    stale: list[Commanding] = field(default_factory=list)
    """Refused on a state that may be stale, which is no answer: to be decided again on a fresh one."""
    postponed: list[Commanding] = field(default_factory=list)
    """To be decided after this batch."""
    lacking: list[tuple[Commanding, frozenset[PayloadRef]]] = field(default_factory=list)
    """With the payloads that the decisions read."""

    def decide(self, requests: Iterable[Request]) -> None:
        """Fold in the requests. Claims come last: what else happens to their runs may decide on them."""
        claims: list[Claiming] = []
        for request in requests:
            if isinstance(request, Commanding):
                self._command(request)
            elif isinstance(request, Starting):
                self.creations.append(start_work(request, self.now))
            else:
                claims.append(request)
        for claim in claims:
            self._claim(claim)
        self.advances = [work for work in self.works.values() if work.done]

    def requests(self) -> list[Request]:
        """Those that go into the batch."""
        done = [request for work in (*self.creations, *self.advances) for request, _ in work.done]
        return [*done, *self.claims]

    def changes(self) -> Iterable[tuple[RunFacts, Transition]]:
        """What becomes of which runs."""
        works = (*self.creations, *self.advances, *self.children)
        return ((work.run.state.facts, transition) for work in works for _, transition in work.done)

    def batch(self, owner: str, *, calls_others: bool) -> Batch:
        return Batch(
            creations=[work.creation(owner, self.now) for work in (*self.creations, *self.children)],
            advances=[work.advance(owner, self.now) for work in self.advances],
            claims=[claim_of(claim, self.now) for claim in self.claims],
            caller=owner if calls_others else None,
        )

    def _command(self, request: Commanding) -> None:
        work = self.works.get(request.run_id.int)
        if work is None:
            unreadable = self.unreadable.get(request.run_id.int)
            fail(request, unreadable or RunNotFound(f"there is no run {request.run_id}"))
        elif not work.takes(request.command) or self._has_key_of(request.command):
            self.postponed.append(request)
        else:
            self._reduce(request, work)

    def _has_key_of(self, command: Command) -> bool:
        """Whether the child's idempotency key is that of another child in this batch: only one of them can start."""
        facts = command.child.facts if isinstance(command, StartChild) else None
        if facts is None or facts.idempotency_key is None:
            return False
        others = (child.run.state.facts for child in self.children)
        return (facts.flow_id, facts.idempotency_key) in {(each.flow_id, each.idempotency_key) for each in others}

    def _reduce(self, request: Commanding, work: RunWork) -> None:
        try:
            transition = work.reduce(request, request.command, request.offer, request.payloads, self.now)
            if transition.rarities is not None:
                started = transition.rarities.children
                self.children += [start_child_work(child, request, self.now) for child in started]
        except PayloadsNeeded as needed:
            self.lacking.append((request, needed.refs))
        except (Fenced, InvalidTransition, StepNotFound) as refusal:
            if work.is_fresh and not work.done:
                fail(request, refusal)
            else:
                self.stale.append(request)
        except FloworchError as error:
            fail(request, error)

    def _claim(self, request: Claiming) -> None:
        work = self.works.get(request.run_id.int)
        if work is None or not work.done:
            self.claims.append(request)  # the store does not have to know the run for it
            return
        if request.quotas:  # only the store can grant it, and only on a row that the batch does not write
            is_written = any(request.task.step_key in transition.steps for _, transition in work.done)
            (self.lost if is_written else self.claims).append(request)
            return
        try:
            work.reduce(request, ClaimStep(request.task.step_key, request.task.attempt), request.offer, {}, self.now)
        except Fenced:
            self.lost.append(request)
