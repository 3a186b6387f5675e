"""Loops that go on until a condition holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from floworch.core.machine.commands import RetryStep, StopRun, TimerFired
from floworch.core.machine.progress import UntilProgress
from floworch.core.machine.state import SkipKind, WaitKind
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from tests.simulation.desk import START
from tests.simulation.player import Player, Trouble
from tests.simulation.specs import (
    TROUBLE,
    Compare,
    Constant,
    FlowSpec,
    LoopSpec,
    Outcome,
    Read,
    Script,
    StepSpec,
    UntilSpec,
    step,
)
from tests.simulation.strategies import Story

BOOM, DONE = Outcome("fail"), Outcome("succeed", 1)
HAS_COME = Compare(Read("output", "x"), "==", 1)
NOT_YET = Outcome("succeed", 0)


def started(*steps: StepSpec, **outcomes: Sequence[Outcome]) -> Player:
    """A run that has begun; paths of outcomes are written with ``__`` for the dot."""
    script = Script({path.replace("__", "."): tuple(played) for path, played in outcomes.items()})
    player = Player(Story(FlowSpec(steps), script), Trouble(stop=True, retry=True))
    player.start()
    return player


def until(*body: StepSpec, condition: object = HAS_COME, limit: int = 3, delay: int = 0) -> StepSpec:
    return StepSpec("u", until=UntilSpec(condition, body or (step("x"),), limit, delay))  # type: ignore[arg-type]


def finish(player: Player) -> RunStatus:
    player.drain()
    player.check_against_oracle()
    return player.state.status


def progress(player: Player) -> UntilProgress:
    found = player.ledger.rows["u"].progress
    assert isinstance(found, UntilProgress)
    return found


def status(player: Player) -> StepStatus:
    return player.ledger.rows["u"].status


def error_type(player: Player) -> str:
    return player.ledger.errors["u"].type


def test_it_repeats_until_the_condition_holds_and_puts_out_what_the_last_iteration_has() -> None:
    player = started(until(), u__x=(NOT_YET, NOT_YET, DONE))
    assert finish(player) is RunStatus.SUCCEEDED
    assert progress(player).started == 3
    assert player.ledger.output("u") == 1


def test_iterations_that_have_ended_are_put_away() -> None:
    player = started(until(limit=10), u__x=[NOT_YET] * 9 + [DONE])
    most = 0
    while not player.state.status.is_final:
        player._go_on()
        most = max(most, len(player.state.steps))
    assert most == 2  # the loop, and the step of its present iteration
    assert player.ledger.settled == {f"u.{index}" for index in range(10)}


def test_it_fails_when_the_condition_is_false_after_so_many_iterations() -> None:
    player = started(until(limit=2), u__x=[NOT_YET])
    assert finish(player) is RunStatus.FAILED
    assert error_type(player) == "UntilExhausted"
    assert "after 2 iterations" in player.ledger.errors["u"].message


def test_failed_iteration_fails_it_at_once() -> None:
    player = started(until(), u__x=(NOT_YET, BOOM))
    assert finish(player) is RunStatus.FAILED
    assert error_type(player) == "IterationFailed"
    assert progress(player) == UntilProgress(started=2, first_failure="u.1.x")


def test_condition_that_cannot_be_evaluated_fails_it() -> None:
    player = started(until(condition=Compare(Read("output", "x"), "<", 1)), u__x=[Outcome("succeed", "text")])
    assert finish(player) is RunStatus.FAILED
    assert error_type(player) == "ExpressionError"


def test_skipped_iteration_is_asked_as_well() -> None:
    nothing = StepSpec("x", guards=(Constant(False),))
    player = started(until(nothing, condition=Compare(Read("index"), ">=", 1)))
    assert finish(player) is RunStatus.SUCCEEDED
    assert progress(player).started == 2
    assert player.ledger.output("u") is None


def test_it_waits_between_iterations_for_its_time_alone() -> None:
    player = started(until(delay=7), u__x=(NOT_YET, DONE))
    player.run("u.0.x")
    row = player.ledger.rows["u"]
    assert (row.status, row.wait, row.due_at) == (StepStatus.PENDING, WaitKind.ITERATION, START + timedelta(seconds=7))
    assert "u.1.x" not in player.ledger.rows
    player.desk.reload()
    player.desk.expect_refusal(TimerFired("u", row.attempt))
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.desk.now == START + timedelta(seconds=7)


def test_timer_that_fires_twice_begins_one_iteration() -> None:
    player = started(until(delay=7), u__x=(NOT_YET, DONE))
    player.run("u.0.x")
    player._wake("u")
    player.desk.expect_refusal(TimerFired("u", 1))
    assert progress(player).started == 2


@pytest.mark.parametrize("kind", [StopKind.CANCELLED, StopKind.TIMED_OUT])
def test_stop_ends_it_while_it_waits_for_the_next_iteration(kind: StopKind) -> None:
    player = started(until(delay=7), u__x=(NOT_YET, DONE))
    player.state.deadline = START
    player.run("u.0.x")
    player.send(StopRun(kind))
    row = player.ledger.rows["u"]
    assert (row.status, row.skip, row.due_at) == (StepStatus.SKIPPED, SkipKind.RUN_STOPPED, None)
    assert player.state.status.value == kind.value


def test_stop_lets_the_present_iteration_end_and_begins_no_other() -> None:
    player = started(until(), u__x=(NOT_YET, DONE))
    player.claim("u.0.x")
    player.send(StopRun(StopKind.CANCELLED))
    player.report("u.0.x")
    assert player.ledger.rows["u"].skip is SkipKind.RUN_STOPPED
    assert player.state.status is RunStatus.CANCELLED


def test_retry_of_the_step_that_has_failed_goes_on_with_the_iteration() -> None:
    player = started(until(), u__x=(NOT_YET, BOOM, DONE))
    assert finish(player) is RunStatus.FAILED
    player.desk.expect_refusal(RetryStep("u", None, player.ledger.rows_of_ended_iterations("u")))
    player.retry("u.1.x")
    assert finish(player) is RunStatus.SUCCEEDED
    assert progress(player) == UntilProgress(started=2)


def test_retry_of_an_exhausted_loop_gives_it_as_many_iterations_again() -> None:
    player = started(until(limit=2), u__x=[*[NOT_YET] * 3, DONE])
    assert finish(player) is RunStatus.FAILED
    player.retry("u")
    assert finish(player) is RunStatus.SUCCEEDED
    assert progress(player) == UntilProgress(started=4, counted_from=2)


def test_retry_in_an_iteration_that_others_have_followed_is_refused() -> None:
    helped = (step("x"), step("h", x=TROUBLE))
    player = started(until(*helped, condition=Compare(Read("index"), ">=", 1)), u__x=[BOOM])
    assert finish(player) is RunStatus.SUCCEEDED
    player.desk.expect_refusal(RetryStep("u.0.x", None, player.ledger.rows_of_ended_iterations("u.0.x")))
    player.retry("u.1.x")
    assert player.ledger.rows["u"].status is StepStatus.RUNNING


def test_retry_while_it_waits_takes_the_last_iteration_up_again() -> None:
    helped = (step("x"), step("h", x=TROUBLE))
    player = started(until(*helped, condition=Compare(Read("index"), ">=", 1), delay=7), u__x=[BOOM])
    player.run("u.0.x")
    player.run("u.0.h")
    assert status(player) is StepStatus.PENDING
    player.retry("u.0.x")
    assert status(player) is StepStatus.RUNNING
    assert finish(player) is RunStatus.SUCCEEDED


def test_step_after_it_and_loops_around_it_read_its_output() -> None:
    inner = StepSpec("u", until=UntilSpec(HAS_COME, (step("x"),), 5))
    loop = StepSpec("l", loop=LoopSpec((1, 2), (inner,)))
    reader = StepSpec("r", (("l", frozenset({StepStatus.SUCCEEDED})),), (Compare(Read("output", "l", (1,)), "==", 1),))
    player = started(loop, reader, l__u__x=(NOT_YET, NOT_YET, DONE))
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.output("l") == [1, 1]
    assert player.ledger.rows["r"].status is StepStatus.SUCCEEDED
