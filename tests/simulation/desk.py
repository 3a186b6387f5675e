"""One engine and one store of one run: decides, writes, and checks what every decision must keep to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.apply import apply, claim_step, rebuild
from floworch.core.machine.commands import ClaimOffer, Command
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.forks import Inheritance, start_fork
from floworch.core.machine.reduce import Fenced, reduce, start_run
from floworch.core.machine.state import RunFacts, RunState, SkipKind, StepState, StopRequest, Suspension
from floworch.core.machine.transition import Rarities, Transition
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.status import RunStatus, StepStatus
from floworch.errors import InvalidTransition
from tests.simulation.explanations import check_explanations
from tests.simulation.laws import check_beginnings, check_history, check_state
from tests.simulation.ledger import Conflict, Ledger
from tests.simulation.plain import frozen, plain
from tests.simulation.post import Post
from tests.simulation.specs import cleans_up

__all__ = ["START", "Desk"]

START = datetime(2030, 1, 1, tzinfo=UTC)
_SHORT_HISTORY = 60
_EXPLAINED = 3
"""Every third moment: explaining every step costs more than all that is decided."""

_Payloads: TypeAlias = dict[PayloadRef, Payload | None]
_RunRow: TypeAlias = tuple[RunStatus, datetime | None, StopRequest | None, datetime | None, Suspension | None]
"""Status, deadline, request to stop, end, and suspension, as the store has them."""
_Decide: TypeAlias = Callable[[_Payloads], Transition]


@dataclass(slots=True)
class Desk:
    """``state`` is what the engine has cached; it may not know of claims that others have made."""

    plan: FlowPlan
    ledger: Ledger
    now: datetime = START
    post: Post = field(init=False)
    state: RunState = field(init=False)
    row: _RunRow = (RunStatus.RUNNING, None, None, None, None)
    cache: _Payloads = field(default_factory=dict)
    """Payloads that the engine has read or written."""
    attempts: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that were started."""
    interrupted: list[str] = field(default_factory=list)
    """Steps that the last transition wants to stop."""
    last: Transition = field(init=False)
    transitions: list[object] = field(default_factory=list)
    """Every transition, as plain values."""

    def __post_init__(self) -> None:
        self.post = Post(self.ledger)

    def begin(self, deadline: datetime | None, offer: ClaimOffer | None) -> set[str]:
        """Start the run; returns the keys of the steps that have got a row."""
        facts = RunFacts(UUID(int=1), self.plan.flow_id, self.plan.manifest_hash, "manual", START)

        def decide(payloads: _Payloads) -> Transition:
            self.state, transition = start_run(facts, self.plan, deadline, self.now, payloads, offer)
            return transition

        return self._commit(self._decided(decide), offer)

    def begin_fork(self, inherited: Inheritance) -> set[str]:
        """Start the run from what it takes over; returns the keys of the steps that have got a row of their own."""
        facts = RunFacts(UUID(int=2), self.plan.flow_id, self.plan.manifest_hash, "manual", self.now)

        def decide(payloads: _Payloads) -> Transition:
            self.state, transition = start_fork(facts, self.plan, None, self.now, payloads, inherited)
            return transition

        transition = self._decided(decide)
        reused = {key for key in inherited.rows if transition.steps[key] is inherited.rows[key]}
        return self._commit(transition, None, reused) - reused

    def send(self, command: Command, offer: ClaimOffer | None) -> set[str]:
        """Decide and commit like an engine: on a conflict, or when the cache does not know of the attempt, reload.

        Returns the keys of the steps that have got a row, or got one anew.
        """
        try:
            return self._commit(self._reduced(command, offer), offer)
        except (Conflict, Fenced):
            assert self.state.steps != self.ledger.planner_rows(), f"{command} was refused"
            self.state = self.loaded()
            return self._commit(self._reduced(command, offer), offer)

    def expect_refusal(self, command: Command) -> None:
        """The command does not apply now: it is refused, and changes nothing."""
        for state in (self.state, self.loaded()):
            before = frozen(state)
            try:
                transition = self._with_payloads(partial(reduce, state, command, self.now), {})
            except (Fenced, InvalidTransition):
                assert frozen(state) == before
            else:
                raise AssertionError(f"{command} was accepted: {plain(transition)}")

    def claim(self, key: str, owner: str, *, in_secret: bool) -> None:
        """Start a ready step by a claim at the store; ``in_secret`` in another process."""
        assert self.row[0] is RunStatus.RUNNING
        assert self.row[2] is None or cleans_up(key), f"{key} can be claimed while the run is being stopped"
        row = claim_step(self.loaded() if in_secret else self.state, key, owner, self.now)
        self.ledger.claim(key, owner, row)
        self._note_start(key, row.attempt)

    def reload(self) -> None:
        """The process dies, or the state falls out of the cache."""
        self.state = self.loaded()
        self.cache.clear()
        check_state(self.state, self.ledger)

    def loaded(self) -> RunState:
        """The run as a process loads it that knows nothing of it."""
        status, deadline, stop, ended_at, suspension = self.row
        return rebuild(
            self.state.facts,
            self.state.plan,
            revision=self.state.revision,
            status=status,
            deadline=deadline,
            stop=stop,
            ended_at=ended_at,
            steps=self.ledger.planner_rows(),
            suspension=suspension,
            signals=self.post.letters(),
        )

    def _reduced(self, command: Command, offer: ClaimOffer | None) -> Transition:
        return self._decided(lambda payloads: reduce(self.state, command, self.now, payloads, offer))

    def _decided(self, decide: _Decide) -> Transition:
        """Decide with the payloads in the cache, and once more with fresh ones: both answers are equal, and nothing
        was changed."""
        before = frozen(self.state) if self.transitions else None
        transition = self._with_payloads(decide, self.cache)
        assert before is None or frozen(self.state) == before, "the state was changed by a decision"
        again = self._with_payloads(decide, {})
        assert plain(again) == plain(transition), "the same decision came out differently"
        return transition

    def _with_payloads(self, decide: _Decide, payloads: _Payloads) -> Transition:
        for _ in range(100):
            try:
                return decide(payloads)
            except PayloadsNeeded as needed:
                missing = needed.refs - payloads.keys()
                payloads |= self.ledger.payloads(missing)
        raise AssertionError("the decision asks for payloads without end")

    def _commit(self, transition: Transition, offer: ClaimOffer | None, reused: Collection[str] = ()) -> set[str]:
        before = dict(self.ledger.rows)
        self.ledger.write(transition)
        rarities = transition.rarities or Rarities()
        self.post.write(rarities.signals, rarities.taken, transition.facts, self.now)
        self._write_row(transition)
        apply(self.state, transition)
        state = self.state
        assert self.row == (state.status, state.deadline, state.stop, state.ended_at, state.suspension)
        self.cache |= transition.payloads
        self.interrupted = sorted(transition.interrupted)
        self.last = transition
        self.transitions.append(plain(transition))
        self._check_lists(transition, before, offer)
        begun = transition.steps.keys() - (before.keys() - _reset_in(transition))
        stopping = SkipKind.RUN_STOPPED if transition.stop is not None else None
        check_beginnings(self.ledger, begun.difference(reused), stopping)
        knows_all = self.state.steps == self.ledger.planner_rows()
        check_state(self.state if knows_all else self.loaded(), self.ledger)
        if len(self.ledger.facts) < _SHORT_HISTORY:
            check_history(self.state, self.ledger)
            if len(self.transitions) % _EXPLAINED == 0 or transition.ended:
                check_explanations(self.loaded(), self.ledger, self.now)
        return begun

    def _write_row(self, transition: Transition) -> None:
        """A store writes the suspension only where the transition says so."""
        rarities = transition.rarities
        changes = rarities is not None and rarities.changes_suspension
        suspension = transition.suspension if changes else self.row[4]
        self.row = (transition.status, transition.deadline, transition.stop, transition.ended_at, suspension)

    def _check_lists(self, transition: Transition, before: dict[str, StepState], offer: ClaimOffer | None) -> None:
        """What the transition says beside the rows is what the rows say."""
        rows = {key: change.state for key, change in transition.steps.items()}
        started = [key for key, row in rows.items() if row.status is StepStatus.RUNNING and not row.is_block]
        assert sorted(transition.claimed) == sorted(started)
        assert sorted(transition.ready) == sorted(key for key, row in rows.items() if row.status is StepStatus.READY)
        assert len(started) <= (offer.limit if offer else 0)
        for key in started:
            assert offer is not None
            assert rows[key].owner == offer.owner
            assert transition.steps[key].lease_seconds is not None
            assert rows[key].attempt == (before[key].attempt if key in before else 0) + 1
            self._note_start(key, rows[key].attempt)
        due = [row.due_at for row in rows.values() if row.due_at is not None]
        assert transition.next_due == (min(due) if due else None)

    def _note_start(self, key: str, attempt: int) -> None:
        assert (key, attempt) not in self.attempts, f"attempt {attempt} of {key} starts twice"
        self.attempts.add((key, attempt))


def _reset_in(transition: Transition) -> set[str]:
    return {fact["step"] for fact in transition.facts if fact["type"] == "step.reset"}
