"""All failed steps are retried at once."""

from __future__ import annotations

from dataclasses import replace

from floworch.core.machine.commands import RetryFailed, RetryStep, StopRun
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from tests.simulation.player import Player, Trouble
from tests.simulation.specs import (
    DONE,
    TROUBLE,
    FlowSpec,
    LoopSpec,
    Outcome,
    ScopeSpec,
    Script,
    StepSpec,
    step,
)
from tests.simulation.strategies import Story

BOOM, WELL = Outcome("fail"), Outcome("succeed", 1)


def ended(steps: tuple[StepSpec, ...], **outcomes: tuple[Outcome, ...]) -> Player:
    script = Script({key.replace("_", "."): each for key, each in outcomes.items()})
    player = Player(Story(FlowSpec(steps), script), Trouble(retry=True))
    player.start()
    return finish(player)


def finish(player: Player) -> Player:
    player.drain()
    player.check_against_oracle()
    return player


def retried(player: Player) -> list[str]:
    player.retry_failed()
    return [fact["step"] for fact in player.desk.last.facts if fact["type"] == "step.retried"]


def test_step_after_two_failed_ones_waits_for_both() -> None:
    player = ended((step("a"), step("b"), step("join", "a", "b")), a=(BOOM, WELL), b=(BOOM, WELL))
    assert retried(player) == ["a", "b"]
    assert "join" not in player.ledger.rows
    player.run("a")
    assert "join" not in player.ledger.rows
    assert finish(player).state.status is RunStatus.SUCCEEDED


def test_all_failed_items_of_a_loop_run_again() -> None:
    loop = StepSpec("l", loop=LoopSpec((0, 1, 2, 3), (step("x"),)))
    player = ended((loop, step("after", "l")), l_x=(WELL, BOOM))
    assert retried(player) == ["l.1.x", "l.3.x"]
    assert finish(player).state.status is RunStatus.SUCCEEDED


def test_two_failed_steps_of_one_iteration_reopen_it_once() -> None:
    loop = StepSpec("l", loop=LoopSpec((0,), (step("x"), step("y"))))
    player = ended((loop,), l_x=(BOOM, WELL), l_y=(BOOM, WELL))
    assert retried(player) == ["l.0.x", "l.0.y"]
    assert finish(player).state.status is RunStatus.SUCCEEDED


def test_error_handler_that_failed_waits_until_the_step_before_it_has_ended() -> None:
    player = ended((step("a"), step("h", a=TROUBLE)), a=(BOOM,), h=(BOOM, WELL))
    assert retried(player) == ["a"]
    assert player.ledger.rows["h"].status is StepStatus.FAILED
    finish(player)
    assert retried(player) == ["a"]


def test_a_step_is_not_retried_while_the_one_before_it_is_at_work() -> None:
    player = ended((step("a"), step("h", a=TROUBLE)), a=(BOOM,), h=(BOOM, WELL))
    player.retry("a")
    player.desk.expect_refusal(RetryStep("h"))
    finish(player)
    player.retry("h")
    assert finish(player).state.status is RunStatus.SUCCEEDED


def test_a_step_is_not_retried_when_the_one_before_it_was_stopped_half_way() -> None:
    player = ended((step("a"), step("h", a=TROUBLE)), a=(BOOM,), h=(BOOM, WELL))
    player.retry("a")
    player.send(StopRun(StopKind.CANCELLED))
    assert player.state.status is RunStatus.CANCELLED
    player.desk.expect_refusal(RetryStep("h"))
    player.desk.expect_refusal(RetryFailed())


def test_what_a_scope_has_gone_on_from_is_left_out() -> None:
    scope = StepSpec("s", scope=ScopeSpec((step("x"),), catch=(step("c"),)))
    player = ended((scope, step("a")), s_x=(BOOM,), a=(BOOM, WELL))
    assert retried(player) == ["a"]
    assert finish(player).state.status is RunStatus.SUCCEEDED


def test_nothing_to_retry_is_refused() -> None:
    player = ended((step("a"),), a=(WELL,))
    player.desk.expect_refusal(RetryFailed())


def test_failed_compensations_run_again_together_with_other_steps() -> None:
    undone = replace(step("x"), undo=1)
    scope = StepSpec("s", scope=ScopeSpec((undone, StepSpec("y", (("x", DONE),)))))
    outcomes = {"s_y": (BOOM,), "s_undo-x": (BOOM, WELL), "a": (BOOM, WELL)}
    player = ended((scope, step("a")), **outcomes)
    assert retried(player) == ["s.compensate.x", "a"]
    finish(player)
    assert player.ledger.rows["s.compensate.x"].status is StepStatus.SUCCEEDED
