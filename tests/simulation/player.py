"""Plays one run of the machine under a list of choices: who does what next, and what goes wrong.

The same story and choices always give the same history. When the choices are used up, the run is brought to its end
in the simplest way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias
from uuid import UUID

from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.apply import apply, claim_step, rebuild
from floworch.core.machine.commands import (
    ClaimOffer,
    Command,
    LeaseExpired,
    RetryStep,
    StepDeferred,
    StepFailed,
    StepReleased,
    StepSkipped,
    StepSucceeded,
    StopRun,
    TimerFired,
)
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.loop_output import loop_output, loop_output_refs
from floworch.core.machine.reduce import Fenced, reduce, start_run
from floworch.core.machine.state import RunFacts, RunState, SkipKind, StepState
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import Json, Payload, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.errors import InvalidTransition
from tests.simulation.laws import check_beginnings, check_history, check_state
from tests.simulation.ledger import Conflict, Ledger
from tests.simulation.manifests import plan_of
from tests.simulation.oracle import Result, expected, retried_keys, skipped_behind
from tests.simulation.plain import frozen, plain
from tests.simulation.specs import Outcome, spec_of, steps_of_scope
from tests.simulation.strategies import Story

__all__ = ["Player", "Trouble", "play"]

START = datetime(2030, 1, 1, tzinfo=UTC)
MAX_LOST = 3

Decide: TypeAlias = Callable[[dict[PayloadRef, Payload | None]], Transition]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Which kinds of trouble a history may contain besides lost workers and repeated reports."""

    stop: bool = False
    retry: bool = False


def play(story: Story, choices: Sequence[int], trouble: Trouble) -> Player:
    """Play a run to its end and compare it with the oracle."""
    player = Player(story, plan_of(story.flow), bytearray(reversed(choices)), trouble)
    player.start()
    while player.choices:
        player.turn()
    player.drain()
    player.check_against_oracle()
    return player


@dataclass(slots=True)
class Player:
    """One run: the cached state of an engine, the rows of a store, and what the world does to them."""

    story: Story
    plan: FlowPlan
    choices: bytearray
    """Taken from the end."""
    trouble: Trouble
    now: datetime = START
    state: RunState = field(init=False)
    ledger: Ledger = field(init=False)
    cache: dict[PayloadRef, Payload | None] = field(default_factory=dict)
    """Payloads that the engine has read or written."""
    executions: Counter[str] = field(default_factory=Counter)
    """Step key → reports that its handlers have given."""
    first_executions: dict[str, int] = field(default_factory=dict)
    """Step key → ``executions`` when it was last begun by its dependencies or retried by hand."""
    lost: set[tuple[str, int]] = field(default_factory=set)
    """Executions that were lost for good."""
    pinned: dict[str, Result] = field(default_factory=dict)
    """Results that no retry has undone."""
    attempts: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that were started."""
    reports: list[Command] = field(default_factory=list)
    """Everything that workers have reported."""
    transitions: list[object] = field(default_factory=list)
    """Every transition, as plain values."""

    def start(self) -> None:
        deadline = START + timedelta(seconds=self._pick(60)) if self.trouble.stop and self._pick(2) else None
        facts = RunFacts(UUID(int=1), self.plan.flow_id, self.plan.manifest_hash, "manual", START)
        self.ledger = Ledger(self.story.flow)
        offer = self._offer()

        def decide(payloads: dict[PayloadRef, Payload | None]) -> Transition:
            self.state, transition = start_run(facts, self.plan, deadline, self.now, payloads, offer)
            return transition

        self._commit(self._decided(decide), offer)

    def turn(self) -> None:
        """Let something happen."""
        self.now += timedelta(seconds=1)
        moves = [move for move in self._moves() if move is not None]
        moves[self._pick(len(moves))]()

    def drain(self) -> None:
        """Go on without further trouble until the run has ended."""
        for _ in range(10_000):
            if self.state.status.is_final:
                return
            self._go_on()
        raise AssertionError("the run does not end")

    def check_against_oracle(self) -> None:
        """Every final status is what the oracle says, unless somebody stopped the run on the way."""
        check_history(self.state, self.ledger)
        if self.state.stop is not None:
            assert self.state.status.value == self.state.stop.kind.value
            return
        verdict = expected(
            self.story.flow,
            self.story.script,
            executions=self.first_executions,
            pinned=self.pinned,
            lost=frozenset(self.lost),
        )
        found = self.ledger.results()
        wrong = {key: (found.get(key), verdict.steps.get(key)) for key in found.keys() | verdict.steps.keys()}
        wrong = {key: pair for key, pair in wrong.items() if pair[0] != pair[1]}
        assert not wrong, f"(machine, oracle): {wrong}"
        assert self.state.status is verdict.run, f"machine: {self.state.status}, oracle: {verdict.run}"
        for key, result in verdict.steps.items():
            if spec_of(self.story.flow, key).loop is not None and result.status is StepStatus.SUCCEEDED:
                assert self._loop_output(key) == result.output

    def _loop_output(self, key: str) -> Json:
        plan = find_step(self.plan, key)
        assert plan is not None
        assert plan.loop is not None
        payloads: dict[PayloadRef, Payload | None] = {}
        while missing := set(loop_output_refs(plan.loop, key, payloads)) - payloads.keys():
            payloads |= self.ledger.payloads(missing, None)
        return loop_output(plan.loop, key, payloads)

    # -- what may happen

    def _moves(self) -> Iterator[Callable[[], None] | None]:
        running, ready, pending = (
            self._keys(StepStatus.RUNNING),
            self._keys(StepStatus.READY),
            self._keys(StepStatus.PENDING),
        )
        for _ in range(4):
            yield self._on_one_of(running, self.report)
            yield self._on_one_of(ready, self.claim)
        yield self._on_one_of(ready, self._claim_elsewhere)
        yield self._on_one_of(pending, self._wake)
        yield self._on_one_of(pending, self._wake)
        yield self._on_one_of(running, self.lose)
        yield self._on_one_of(running, self._release)
        yield self._repeat_report if self.reports else None
        yield self._reload
        if self.trouble.stop and self.state.stop is None and self.state.status is RunStatus.RUNNING:
            yield self._stop
        if self.trouble.retry and (failed := self._keys(StepStatus.FAILED)):
            yield self._on_one_of(failed, self.retry)
            yield self._on_one_of(failed, self.retry)

    def _on_one_of(self, keys: list[str], act: Callable[[str], None]) -> Callable[[], None] | None:
        return (lambda: act(keys[self._pick(len(keys))])) if keys else None

    def _go_on(self) -> None:
        for status, act in (
            (StepStatus.RUNNING, self.report),
            (StepStatus.READY, self.claim),
            (StepStatus.PENDING, self._wake),
        ):
            if keys := self._keys(status):
                act(keys[0])
                return
        raise AssertionError("nothing can happen any more, and the run has not ended")

    def _keys(self, status: StepStatus) -> list[str]:
        """Keys of the plain steps with this status, as the store has them; loops only where they failed."""
        return [
            key
            for key, row in self.ledger.rows.items()
            if row.status is status and (row.loop is None or status is StepStatus.FAILED)
        ]

    def claim(self, key: str) -> None:
        self._claimed(key, claim_step(self.state, key, "worker-1", self.now))

    def _claim_elsewhere(self, key: str) -> None:
        """Another process takes the step; ours does not hear of it."""
        other = rebuild_state(self)
        self._claimed(key, claim_step(other, key, "worker-2", self.now))

    def _claimed(self, key: str, row: StepState) -> None:
        assert self.state.status is RunStatus.RUNNING
        assert self.state.stop is None, f"{key} can be claimed while the run is being stopped"
        self.ledger.claim(key, row.owner or "", row)
        self._started(key, row.attempt)

    def run(self, key: str) -> None:
        """Start a ready step and let it end as its script says."""
        self.claim(key)
        self.report(key)

    def report(self, key: str) -> None:
        execution = self.executions[key]
        indexes = tuple(int(part) for part in key.split(".")[1::2])
        outcome = self.story.script.outcome(".".join(key.split(".")[::2]), indexes, execution)
        self.executions[key] += 1
        command = self._report_of(key, self.ledger.rows[key], outcome)
        self.reports.append(command)
        self.send(command)

    def _report_of(self, key: str, row: StepState, outcome: Outcome) -> Command:
        match outcome.kind:
            case "succeed":
                return StepSucceeded(key, row.attempt, Payload.of(outcome.output))
            case "skip":
                return StepSkipped(key, row.attempt, "nothing to do")
            case "defer":
                return StepDeferred(key, row.attempt, timedelta(seconds=5))
            case "fail":
                gives_up = row.failures + 1 >= spec_of(self.story.flow, key).max_attempts
                after = None if gives_up else timedelta(seconds=3)
                return StepFailed(key, row.attempt, StepError("Boom", "it went boom"), after)

    def lose(self, key: str) -> None:
        row = self.ledger.rows[key]
        if row.lost + 1 >= MAX_LOST and self.state.stop is None:
            self.lost.add((key, self.executions[key]))
        command = LeaseExpired(key, row.attempt, MAX_LOST)
        self.reports.append(command)
        self.send(command)

    def _release(self, key: str) -> None:
        command = StepReleased(key, self.ledger.rows[key].attempt)
        self.reports.append(command)
        self.send(command)

    def _wake(self, key: str) -> None:
        row = self.ledger.rows[key]
        assert row.due_at is not None
        command = TimerFired(key, row.attempt)
        if row.due_at > self.now:
            self._expect_refusal(command)
            self.now = row.due_at
        self.reports.append(command)
        self.send(command)

    def _repeat_report(self) -> None:
        """A message arrives once more, or somebody makes one up; it changes nothing."""
        command = self.reports[self._pick(len(self.reports))]
        self._expect_refusal(command)

    def _reload(self) -> None:
        """The process dies, or the state falls out of the cache."""
        self.state = rebuild_state(self)
        self.cache.clear()
        check_state(self.state, self.ledger)

    def _stop(self) -> None:
        past = self.state.deadline is not None and self.state.deadline <= self.now
        command = StopRun(StopKind.TIMED_OUT if past else StopKind.CANCELLED, "enough")
        if not past:
            self._expect_refusal(StopRun(StopKind.TIMED_OUT))
        self.send(command)
        self._expect_refusal(command)

    def retry(self, key: str) -> None:
        row = self.ledger.rows[key]
        command = RetryStep(key, None, self.ledger.rows_of_ended_iterations(key))
        if row.loop is not None or self._cannot_reopen(key):
            self._expect_refusal(command)
            return
        ends = self.ledger.results()
        again = set(retried_keys(self.story.flow, ends, key))
        if self.state.status.is_final and self.state.stop is not None:
            again |= self._stopped_around(key, ends)
        self.pinned = {name: end for name, end in ends.items() if name not in again}
        self.first_executions[key] = self.executions[key]
        self.lost.discard((key, self.executions[key]))
        self.send(command)

    def _cannot_reopen(self, key: str) -> bool:
        """A loop beside the step, or beside a loop around it, was stopped half-way."""
        if self.state.stop is None:
            return False
        return self.state.status is RunStatus.RUNNING or any(
            row.loop is not None and row.skip is SkipKind.RUN_STOPPED and not key.startswith(f"{name}.")
            for scope in _scopes_around(key)
            for name, row in self._rows_in(scope).items()
        )

    def _stopped_around(self, key: str, ends: dict[str, Result]) -> set[str]:
        stopped = {
            name
            for scope in _scopes_around(key)
            for name, row in self._rows_in(scope).items()
            if row.skip is SkipKind.RUN_STOPPED
        }
        return stopped.union(*(skipped_behind(self.story.flow, ends, name) for name in stopped))

    def _rows_in(self, scope: str) -> dict[str, StepState]:
        keys = (f"{scope}.{spec.key}" if scope else spec.key for spec in steps_of_scope(self.story.flow, scope))
        return {key: self.ledger.rows[key] for key in keys if key in self.ledger.rows}

    # -- how it is decided and written

    def send(self, command: Command) -> None:
        """Decide and commit like an engine: on a conflict, or when the cache does not know of the attempt, reload."""
        offer = self._offer()
        try:
            self._commit(self._reduced(command, offer), offer)
        except (Conflict, Fenced):
            assert self.state.steps != self.ledger.planner_rows(), f"{command} was refused"
            self.state = rebuild_state(self)
            self._commit(self._reduced(command, offer), offer)

    def _expect_refusal(self, command: Command) -> None:
        for state in (self.state, rebuild_state(self)):
            before = frozen(state)
            try:
                transition = self._with_payloads(partial(reduce, state, command, self.now), {})
            except (Fenced, InvalidTransition):
                assert frozen(state) == before
            else:
                raise AssertionError(f"{command} was accepted: {plain(transition)}")

    def _reduced(self, command: Command, offer: ClaimOffer | None) -> Transition:
        return self._decided(lambda payloads: reduce(self.state, command, self.now, payloads, offer))

    def _decided(self, decide: Decide) -> Transition:
        """Decide with the payloads in the cache, and once more with fresh ones: both answers are equal and nothing was
        changed."""
        before = frozen(self.state) if hasattr(self, "state") else None
        transition = self._with_payloads(decide, self.cache)
        assert before is None or frozen(self.state) == before, "the state was changed by a decision"
        again = self._with_payloads(decide, {})
        assert plain(again) == plain(transition), "the same decision came out differently"
        return transition

    def _with_payloads(self, decide: Decide, payloads: dict[PayloadRef, Payload | None]) -> Transition:
        for _ in range(100):
            try:
                return decide(payloads)
            except PayloadsNeeded as needed:
                missing = needed.refs - payloads.keys()
                payloads |= self.ledger.payloads(missing, self.story.flow.body)
        raise AssertionError("the decision asks for payloads without end")

    def _commit(self, transition: Transition, offer: ClaimOffer | None) -> None:
        before = dict(self.ledger.rows)
        self.ledger.write(transition)
        apply(self.state, transition)
        self.cache |= transition.payloads
        self._check_starts(transition, before, offer)
        kept = before.keys() - _reset_in(transition)
        for key in transition.steps.keys() - kept:
            self.first_executions[key] = self.executions[key]
        stopping = SkipKind.RUN_STOPPED if transition.stop is not None else None
        check_beginnings(self.ledger, transition.steps.keys() - kept, stopping)
        if self.state.steps == self.ledger.planner_rows():
            check_state(self.state, self.ledger)
        else:
            check_state(rebuild_state(self), self.ledger)
        if len(self.ledger.facts) < 60:
            check_history(self.state, self.ledger)
        self.transitions.append(plain(transition))

    def _check_starts(self, transition: Transition, before: dict[str, StepState], offer: ClaimOffer | None) -> None:
        rows = {key: change.state for key, change in transition.steps.items()}
        started = [key for key, row in rows.items() if row.status is StepStatus.RUNNING and row.loop is None]
        assert sorted(transition.claimed) == sorted(started)
        assert sorted(transition.ready) == sorted(key for key, row in rows.items() if row.status is StepStatus.READY)
        assert len(started) <= (offer.limit if offer else 0)
        for key in started:
            assert offer is not None
            assert rows[key].owner == offer.owner
            assert transition.steps[key].lease_seconds is not None
            assert rows[key].attempt == (before[key].attempt if key in before else 0) + 1
            self._started(key, rows[key].attempt)
        due = [row.due_at for row in rows.values() if row.due_at is not None]
        assert transition.next_due == (min(due) if due else None)

    def _started(self, key: str, attempt: int) -> None:
        assert (key, attempt) not in self.attempts, f"attempt {attempt} of {key} starts twice"
        self.attempts.add((key, attempt))

    def _offer(self) -> ClaimOffer | None:
        limit = self._pick(5)
        if limit == 0:
            return None
        accepts = self._pick(4) != 3
        return ClaimOffer("worker-0", limit, 30.0, lambda step_type: accepts)

    def _pick(self, count: int) -> int:
        return self.choices.pop() % count if self.choices else 0


def rebuild_state(player: Player) -> RunState:
    """The run as a process loads it that knows nothing of it."""
    state = player.state
    return rebuild(
        state.facts,
        state.plan,
        revision=state.revision,
        status=state.status,
        deadline=state.deadline,
        stop=state.stop,
        ended_at=state.ended_at,
        steps=player.ledger.planner_rows(),
    )


def _scopes_around(key: str) -> Iterator[str]:
    scope = key.rpartition(".")[0]
    while scope:
        yield scope
        scope = scope.rpartition(".")[0].rpartition(".")[0]
    yield ""


def _reset_in(transition: Transition) -> set[str]:
    return {fact["step"] for fact in transition.facts if fact["type"] == "step.reset"}
