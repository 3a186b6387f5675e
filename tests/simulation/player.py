"""Plays one run of the machine under a list of choices: who does what next, and what goes wrong.

The same story and choices always give the same history. When the choices are used up, the run is brought to its end
in the simplest way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from floworch.core.dag.lookup import find_step
from floworch.core.machine.block_output import output_of, output_refs
from floworch.core.machine.commands import (
    ClaimOffer,
    ClaimStep,
    Command,
    LeaseExpired,
    RetryFailed,
    RetryStep,
    StepDeferred,
    StepFailed,
    StepReleased,
    StepSkipped,
    StepSucceeded,
    StopRun,
    TimerFired,
)
from floworch.core.machine.forks import Inheritance
from floworch.core.machine.progress import GroupProgress, UntilProgress
from floworch.core.machine.state import RunState, SkipKind, StepState, WaitKind
from floworch.core.model.payload import Json, Payload, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from tests.simulation.child_runs import ChildRuns, waits_for_child
from tests.simulation.desk import START, Desk
from tests.simulation.forks import fork_and_play, forkable_keys
from tests.simulation.laws import check_history
from tests.simulation.ledger import Ledger
from tests.simulation.mail import Sender
from tests.simulation.manifests import plan_of
from tests.simulation.migrations import moves_of_versions
from tests.simulation.operators import moves_of_operators, resume
from tests.simulation.oracle import Result, expected, retried_keys, skipped_behind
from tests.simulation.retries import first_of, has_active_steps_behind, is_before_its_turn, is_read, resumed_keys
from tests.simulation.scopes import failed_compensations, gone_on, is_refused
from tests.simulation.specs import Outcome, cleans_up, script_place, spec_of, steps_of_scope
from tests.simulation.strategies import Story

__all__ = ["MAX_LOST", "Player", "Trouble", "play"]

MAX_LOST = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """Which kinds of trouble a history may contain besides lost workers and repeated reports."""

    stop: bool = False
    retry: bool = False
    operators: bool = False
    fork: bool = False
    versions: bool = False


def play(story: Story, choices: Sequence[int], trouble: Trouble) -> Player:
    """Play a run to its end and compare it with the oracle."""
    player = Player(story, trouble, bytearray(reversed(choices)))
    player.start()
    while player.choices:
        player.turn()
    player.drain()
    player.check_against_oracle()
    return player


@dataclass(slots=True)
class Player:
    """The world around one run, and the memory of what the oracle has to know."""

    story: Story
    trouble: Trouble
    choices: bytearray = field(default_factory=bytearray)
    """Taken from the end."""
    desk: Desk = field(init=False)
    executions: Counter[str] = field(default_factory=Counter)
    """Step key → reports that its handlers have given."""
    first_executions: dict[str, int] = field(default_factory=dict)
    """Step key → ``executions`` when it was last begun by its dependencies or retried by hand."""
    lost: set[tuple[str, int]] = field(default_factory=set)
    """Executions that were lost for good."""
    pinned: dict[str, Result] = field(default_factory=dict)
    """Results that no retry has undone."""
    begun: dict[str, list[Json] | None] = field(default_factory=dict)
    """Steps that had begun when a retry changed what they depend on, with the items of loops."""
    gone_on: dict[str, str] = field(default_factory=dict)
    """Scopes that had gone on when a step was retried, and how their steps had ended."""
    counted_from: dict[str, int] = field(default_factory=dict)
    """Loops with a condition that were retried by hand, with the iterations that they had behind them."""
    overridden: dict[str, Result] = field(default_factory=dict)
    """Steps that somebody has ended by hand, and that no retry has begun anew."""
    is_beyond_oracle: bool = False
    """A step was retried while others behind it were at work. What begins behind those may read it before it has ended:
    the end is no longer a matter of final statuses alone."""
    children: ChildRuns = field(init=False)
    sender: Sender = field(init=False)
    reports: list[Command] = field(default_factory=list)
    """Everything that workers have reported."""

    def __post_init__(self) -> None:
        self.desk = Desk(plan_of(self.story.flow), Ledger(self.story.flow))
        self.children = ChildRuns(self.desk.plan)
        self.sender = Sender(self)

    @property
    def state(self) -> RunState:
        return self.desk.state

    @property
    def ledger(self) -> Ledger:
        return self.desk.ledger

    def start(self) -> None:
        deadline = START + timedelta(seconds=self._pick(60)) if self.trouble.stop and self._pick(2) else None
        self._note_begun(self.desk.begin(deadline, self._offer()))

    def begin_fork(self, inherited: Inheritance) -> None:
        self._note_begun(self.desk.begin_fork(inherited))

    def turn(self) -> None:
        """Let something happen."""
        self.desk.now += timedelta(seconds=1)
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
            end = "Failed" if failed_compensations(self.ledger) else self.state.stop.kind.value
            assert self.state.status.value == end
            return
        if self.is_beyond_oracle:
            return
        verdict = expected(
            self.story.flow,
            self.story.script,
            executions=self.first_executions,
            pinned={**self.pinned, **self.overridden},
            lost=frozenset(self.lost),
            begun=self.begun,
            gone_on=self.gone_on,
            entered={key: row.loop.started for key, row in self.ledger.rows.items() if row.loop is not None},
            counted_from=self.counted_from,
            waited=self.desk.post.waited(),
        )
        found = self.ledger.results()
        wrong = {key: (found.get(key), verdict.steps.get(key)) for key in found.keys() | verdict.steps.keys()}
        wrong = {key: pair for key, pair in wrong.items() if pair[0] != pair[1]}
        assert not wrong, f"(machine, oracle): {wrong}"
        assert self.state.status is verdict.run, f"machine: {self.state.status}, oracle: {verdict.run}"
        for key, result in verdict.steps.items():
            if spec_of(self.story.flow, key).is_block and result.status is StepStatus.SUCCEEDED:
                assert self._block_output(key) == result.output

    def _block_output(self, key: str) -> Json:
        plan = find_step(self.desk.plan, key)
        assert plan is not None
        payloads: dict[PayloadRef, Payload | None] = {}
        while missing := set(output_refs(plan, key, payloads)) - payloads.keys():
            payloads |= self.ledger.payloads(missing)
        return output_of(plan, key, payloads)

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
        yield self._on_one_of(ready, self._claim_by_command)
        yield self._on_one_of(pending, self._wake)
        yield self._on_one_of(pending, self._wake)
        yield self._on_one_of(running, self.lose)
        yield self._on_one_of(running, self._release)
        yield self._repeat_report if self.reports else None
        yield self.desk.reload
        if self.trouble.stop and self.state.stop is None and self.state.status is RunStatus.RUNNING:
            yield self._stop
        if self.trouble.retry and (failed := self._keys(StepStatus.FAILED)):
            yield self._on_one_of(failed, self.retry)
            yield self._on_one_of(failed, self.retry)
            yield self.retry_failed
        if self.trouble.fork:
            yield self._on_one_of(forkable_keys(self), self.fork)
        if self.trouble.operators:
            yield from moves_of_operators(self)
        if self.trouble.versions:
            yield from moves_of_versions(self)
        if self.sender.waits and self.state.status is RunStatus.RUNNING:
            yield self.sender.send
            yield self.sender.send
        yield self.sender.repeat if self.sender.sent else None
        waiting = self._waiting_for_children()
        yield self._on_one_of(waiting, self._end_child)
        yield self._on_one_of([key for key in waiting if self.ledger.rows[key].due_at is not None], self._ask_again)

    def _on_one_of(self, keys: list[str], act: Callable[[str], None]) -> Callable[[], None] | None:
        return (lambda: act(keys[self._pick(len(keys))])) if keys else None

    def _go_on(self) -> None:
        if self.state.suspension is not None:
            resume(self)
            return
        if waiting := self._waiting_for_children():
            self._end_child(waiting[0])
            return
        for status, act in (
            (StepStatus.RUNNING, self.report),
            (StepStatus.READY, self.claim),
            (StepStatus.PENDING, self._wake),
        ):
            if keys := self._keys(status):
                act(keys[0])
                return
        if waiting := [key for key, row in self.ledger.rows.items() if row.wait is WaitKind.SIGNAL]:
            self.sender.answer(waiting[0])
            return
        raise AssertionError("nothing can happen any more, and the run has not ended")

    def _keys(self, status: StepStatus) -> list[str]:
        """Keys of the steps with this status, as the store has them; no blocks that run, and no steps that wait for
        a child, for the end of a suspension or for signals without a limit: they are nobody's work."""
        return [
            key
            for key, row in self.ledger.rows.items()
            if row.status is status
            and not (row.is_block and status is StepStatus.RUNNING)
            and row.wait not in (WaitKind.CHILD, WaitKind.SUSPENDED)
            and not (row.wait is WaitKind.SIGNAL and row.due_at is None)
        ]

    def _waiting_for_children(self) -> list[str]:
        return [key for key, row in self.ledger.rows.items() if waits_for_child(row)]

    def claim(self, key: str) -> None:
        self.desk.claim(key, "worker-1", in_secret=False)

    def _claim_elsewhere(self, key: str) -> None:
        """Another process takes the step; ours does not hear of it."""
        self.desk.claim(key, "worker-2", in_secret=True)

    def _claim_by_command(self, key: str) -> None:
        command = ClaimStep(key, self.ledger.rows[key].attempt)
        self.desk.send(command, ClaimOffer("worker-0", 1, 30.0, lambda step_type, facts: True))
        self.desk.expect_refusal(command)

    def run(self, key: str) -> None:
        """Start a ready step and let it end as its script says."""
        self.claim(key)
        self.report(key)

    def report(self, key: str) -> None:
        outcome = self._next_outcome(key)
        if spec_of(self.story.flow, key).by_child and outcome.kind != "defer":
            self._start_child(key)
            return
        self.executions[key] += 1
        command = self._report_of(key, self.ledger.rows[key], outcome)
        self.reports.append(command)
        self.send(command)

    def _next_outcome(self, key: str) -> Outcome:
        return self.story.script.outcome(*script_place(key), self.executions[key])

    def _start_child(self, key: str) -> None:
        command = self.children.start(key, self.ledger.rows[key], self.state.facts.run_id)
        self.reports.append(command)
        self.send(command)

    def _end_child(self, key: str) -> None:
        outcome = self._next_outcome(key)
        self.executions[key] += 1
        command = self.children.end(key, self.ledger.rows[key], outcome, spec_of(self.story.flow, key).max_attempts)
        self.send(command)
        rows = dict(self.ledger.rows)
        self.send(command)  # whoever tells it once more changes nothing
        assert self.ledger.rows == rows

    def _ask_again(self, key: str) -> None:
        """The child that was asked to stop has not ended yet."""
        row = self.ledger.rows[key]
        assert row.due_at is not None
        self.desk.now = max(self.desk.now, row.due_at)
        self.send(TimerFired(key, row.attempt))

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
            case "refuse":
                raise AssertionError("no handler ends like this")

    def lose(self, key: str) -> None:
        row = self.ledger.rows[key]
        if row.lost + 1 >= MAX_LOST and (self.state.stop is None or cleans_up(key)):
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
        if row.due_at > self.desk.now:
            self.desk.expect_refusal(command)
            self.desk.now = row.due_at
        if not row.is_block and row.wait is not WaitKind.SIGNAL:  # every pause of a loop or a wait is named alike
            self.reports.append(command)
        self.send(command)

    def _repeat_report(self) -> None:
        """A message arrives once more, or somebody makes one up; it changes nothing."""
        command = self.reports[self._pick(len(self.reports))]
        self.desk.expect_refusal(command)

    def _stop(self) -> None:
        past = self.state.deadline is not None and self.state.deadline <= self.desk.now
        command = StopRun(StopKind.TIMED_OUT if past else StopKind.CANCELLED, "enough")
        if not past:
            self.desk.expect_refusal(StopRun(StopKind.TIMED_OUT))
        running = sorted(key for key in self._keys(StepStatus.RUNNING) if not cleans_up(key))
        self.send(command)
        assert self.desk.interrupted == running
        self.desk.expect_refusal(command)

    def retry(self, key: str) -> None:
        around = self.ledger.rows_of_ended_iterations(key)
        command = RetryStep(key, None, around if self.state.stop is None else self.ledger.rows_of_outermost_loop(key))
        if self._refuses_retry(key):
            self.desk.expect_refusal(command)
        else:
            self._retry([key], command)

    def retry_failed(self) -> None:
        """Retry all failed steps at once."""
        settled = {key: row for key, row in self.ledger.rows.items() if key.rpartition(".")[0] in self.ledger.settled}
        command = RetryFailed(None, settled if self.state.stop is None else dict(self.ledger.rows))
        accepted = [key for key in self._keys(StepStatus.FAILED) if not self._refuses_retry(key)]
        if not accepted:
            self.desk.expect_refusal(command)
            return
        keys = first_of(self.story.flow, self.ledger, accepted)
        self._retry(keys, command)
        retried = [fact["step"] for fact in self.desk.last.facts if fact["type"] == "step.retried"]
        assert sorted(retried) == sorted(keys)

    def fork(self, key: str) -> None:
        """Start another run from the step, and play it to its end. This run does not notice."""
        fork_and_play(self, key, Player(self.story, Trouble()))

    def _refuses_retry(self, key: str) -> bool:
        is_late = self._is_behind(key) or is_refused(self.ledger, key)
        is_late = is_late or is_before_its_turn(self.story.flow, self.ledger, key)
        is_late = is_late or self._is_beside_stopped_items(key)
        return self._is_bound_to_others(self.ledger.rows[key]) or is_late or self._cannot_reopen(key)

    def _retry(self, keys: Sequence[str], command: RetryStep | RetryFailed) -> None:
        ends = self.ledger.results()
        self.gone_on = gone_on(self.ledger)
        again = {name for key in keys for name in retried_keys(self.story.flow, ends, key, self.gone_on)}
        is_overtaken = any(has_active_steps_behind(self.story.flow, self.ledger, key) for key in keys)
        self.is_beyond_oracle |= is_overtaken and is_read(self.story.flow, again)
        if self.state.status.is_final and self.state.stop is not None:
            again.update(*(self._stopped_around(key, ends) for key in keys if not cleans_up(key)))
        self.pinned = {name: end for name, end in ends.items() if name not in again}
        self.overridden = {name: end for name, end in self.overridden.items() if name not in again}
        resumed = resumed_keys(self.ledger, keys, again)
        self.begun |= dict.fromkeys(resumed)
        for name, begun in self.ledger.rows.items():
            if begun.is_block if name in again else not begun.is_final:
                self.begun[name] = self.ledger.items[name].value if begun.loop is not None else None
        for key in keys:
            progress = self.ledger.rows[key].progress
            if isinstance(progress, UntilProgress):
                self.counted_from[key] = progress.started
            self.lost.discard((key, self.executions[key]))
        self.first_executions |= {key: self.executions[key] for key in {*keys, *resumed}}
        self.send(command)

    def _is_bound_to_others(self, row: StepState) -> bool:
        """A block that has failed because of a step inside."""
        until = row.progress if isinstance(row.progress, UntilProgress) else None
        is_failed_block = row.loop is not None or isinstance(row.progress, GroupProgress)
        return is_failed_block or (until is not None and until.first_failure is not None)

    def _is_behind(self, key: str) -> bool:
        """The step is in an iteration from which a loop with a condition has gone on."""
        for scope in filter(None, _scopes_around(key)):
            block, _, index = scope.rpartition(".")
            progress = self.ledger.rows[block].progress
            if isinstance(progress, UntilProgress) and int(index) < progress.started - 1:
                return True
        return False

    def _is_beside_stopped_items(self, key: str) -> bool:
        """Of a loop around the step, another item was stopped half-way."""
        if self.state.stop is None or cleans_up(key):
            return False
        items = [scope for scope in _scopes_around(key) if scope.rpartition(".")[2].isdigit()]
        return any(
            row.skip is SkipKind.RUN_STOPPED
            and name.startswith(f"{item.rpartition('.')[0]}.")
            and not name.startswith(f"{item}.")
            for item in items
            for name, row in self.ledger.rows.items()
        )

    def _cannot_reopen(self, key: str) -> bool:
        """A loop beside the step, or beside a loop around it, was stopped half-way."""
        if self.state.stop is None or cleans_up(key):
            return False
        return self.state.status is RunStatus.RUNNING or any(
            row.is_block and row.skip is SkipKind.RUN_STOPPED and not key.startswith(f"{name}.")
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

    def send(self, command: Command) -> None:
        self._note_begun(self.desk.send(command, self._offer()))
        self.children.committed(self.desk.last, self.ledger)

    def _note_begun(self, keys: set[str]) -> None:
        for key in keys:
            self.first_executions[key] = self.executions[key]
            self.begun.pop(key, None)

    def _offer(self) -> ClaimOffer | None:
        limit = self._pick(5)
        if limit == 0:
            return None
        accepts = self._pick(4) != 3
        return ClaimOffer("worker-0", limit, 30.0, lambda step_type, facts: accepts)

    def _pick(self, count: int) -> int:
        return self.choices.pop() % count if self.choices else 0


def _scopes_around(key: str) -> Iterator[str]:
    scope = key.rpartition(".")[0]
    while scope:
        yield scope
        scope = scope.rpartition(".")[0].rpartition(".")[0]
    yield ""
