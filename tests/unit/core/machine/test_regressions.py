"""Histories that once went wrong or that random ones rarely reach, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from floworch.core.machine.commands import ClaimOffer, ClaimStep, LeaseExpired, StopRun
from floworch.core.machine.reduce import Fenced, reduce
from floworch.core.machine.state import SkipKind
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from tests.simulation.oracle import Result
from tests.simulation.player import MAX_LOST, Player, Trouble
from tests.simulation.specs import (
    ANY,
    DONE,
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

BOOM, NOTHING = (Outcome("fail"),), (Outcome("skip"),)
NEVER = (Constant(False),)


def started(*steps: StepSpec, **outcomes: Sequence[Outcome]) -> Player:
    """A run that has begun; paths of outcomes are written with ``__`` for the dot."""
    script = Script({path.replace("__", "."): tuple(played) for path, played in outcomes.items()})
    story = Story(FlowSpec(steps), script)
    player = Player(story, Trouble(stop=True, retry=True))
    player.start()
    return player


def finish(player: Player) -> RunStatus:
    player.drain()
    player.check_against_oracle()
    return player.state.status


def test_step_that_waits_does_not_count_a_retried_dependency_twice() -> None:
    player = started(step("a"), step("b"), StepSpec("d", (("a", ANY), ("b", DONE))), a=BOOM)
    for _ in range(2):
        player.run("a")
        player.retry("a")
    player.run("a")
    assert "d" not in player.ledger.rows
    assert finish(player) is RunStatus.SUCCEEDED


def test_guard_reads_the_error_of_the_attempt_that_was_lost_last() -> None:
    guard = Compare(Read("error_type", "a"), "==", "WorkerLost")
    player = started(step("a"), replace(step("h", a=TROUBLE), guards=(guard,)))
    for attempt in range(1, MAX_LOST + 1):
        player.claim("a")
        player.lose("a")
        assert LeaseExpired("a", attempt, MAX_LOST) in player.reports
    assert player.ledger.rows["h"].status is StepStatus.READY


def test_iteration_that_a_retry_reopens_and_ends_at_once_stays_settled() -> None:
    not_a_boolean = (Read("item"),)
    player = started(StepSpec("l", loop=LoopSpec((1,), (StepSpec("x", guards=not_a_boolean),))))
    assert player.state.status is RunStatus.FAILED
    player.retry("l.0.x")
    assert player.ledger.settled == {"l.0"}
    assert finish(player) is RunStatus.FAILED


def test_error_handler_that_was_wanted_but_blocked_is_a_skipped_leaf() -> None:
    wanted = StepSpec("h", (("a", ANY - DONE), ("b", DONE), ("c", DONE)))
    player = started(StepSpec("a", guards=NEVER), StepSpec("b", guards=NEVER), step("c"), wanted)
    assert finish(player) is RunStatus.SKIPPED


def test_skipped_iteration_and_skipped_inner_loop_put_out_null() -> None:
    inner = StepSpec("m", loop=LoopSpec((1, 2), (step("x"),)))
    succeed = (Outcome("succeed", 5), Outcome("skip"))
    player = started(StepSpec("l", loop=LoopSpec((1, 2), (inner, step("y")))), l__m__x=NOTHING, l__y=succeed)
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.output("l") == [{"m": None, "y": 5}, None]


def test_loop_that_was_stopped_half_way_goes_on_when_a_step_inside_is_retried() -> None:
    player = started(StepSpec("l", loop=LoopSpec((1, 2), (step("x"),))), l__x=(Outcome("fail"), Outcome("succeed")))
    player.claim("l.0.x")
    player.send(StopRun(StopKind.CANCELLED))
    player.report("l.0.x")
    assert player.state.status is RunStatus.CANCELLED
    assert "l.1.x" not in player.ledger.rows
    player.retry("l.0.x")
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.results()["l.1.x"] == Result(StepStatus.SUCCEEDED)


def test_retry_by_hand_gives_all_attempts_anew() -> None:
    twice = StepSpec("a", max_attempts=2)
    player = started(twice, a=(*BOOM, *BOOM, *BOOM, Outcome("succeed")))
    assert finish(player) is RunStatus.FAILED
    player.retry("a")
    assert finish(player) is RunStatus.SUCCEEDED


def test_retry_by_hand_forgets_lost_attempts() -> None:
    player = started(step("a"))
    for _ in range(MAX_LOST):
        player.claim("a")
        player.lose("a")
    assert player.state.status is RunStatus.FAILED
    player.retry("a")
    player.claim("a")
    player.lose("a")
    assert finish(player) is RunStatus.SUCCEEDED


def test_condition_behind_a_step_that_does_not_run_again_stays_decided() -> None:
    guard = Compare(Read("status", "a"), "==", "Succeeded")
    after = replace(step("w", "h"), guards=(guard,))
    player = started(step("a"), step("h", a=TROUBLE), after, a=(*BOOM, Outcome("succeed")))
    assert finish(player) is RunStatus.SKIPPED
    player.retry("a")
    assert finish(player) is RunStatus.SKIPPED


def test_step_that_has_begun_goes_on_when_what_it_ran_after_is_retried() -> None:
    player = started(step("a"), step("h", a=TROUBLE), a=(*BOOM, Outcome("succeed")))
    player.run("a")
    player.retry("a")
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.rows["h"].status is StepStatus.SUCCEEDED


def test_fork_keeps_the_iterations_from_which_a_loop_has_gone_on_although_a_stop_had_interrupted_them() -> None:
    loop = StepSpec("p", loop=LoopSpec((1,), (step("u"),)))
    until = UntilSpec(Compare(Read("index"), ">=", 1), (loop, step("x")), 3, 0)
    player = started(StepSpec("a", until=until), a__x=(*BOOM, Outcome("succeed")))
    player.claim("a.0.p.0.u")
    player.claim("a.0.x")
    player.send(StopRun(StopKind.CANCELLED))
    player.lose("a.0.p.0.u")
    player.report("a.0.x")
    assert player.state.status is RunStatus.CANCELLED
    player.retry("a.0.x")
    player.run("a.0.x")
    assert player.ledger.rows["a.0.p.0.u"].skip is SkipKind.RUN_STOPPED
    assert "a.1.p" in player.ledger.rows
    player.fork("a.1.p")


def test_claim_is_lost_when_a_limit_has_come_to_apply_since_the_worker_asked() -> None:
    player = started(step("a"))
    asked = ClaimOffer("worker", 1, 30.0, lambda step_type, facts: False)
    with pytest.raises(Fenced):
        reduce(player.state, ClaimStep("a", 0), player.desk.now, {}, asked)
