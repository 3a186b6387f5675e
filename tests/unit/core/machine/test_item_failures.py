"""What a failed iteration means for its loop."""

from __future__ import annotations

from collections.abc import Sequence

from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.model.steps import OnItemFailure
from tests.simulation.player import Player, Trouble
from tests.simulation.specs import DONE, TROUBLE, Compare, FlowSpec, LoopSpec, Outcome, Read, Script, StepSpec, step
from tests.simulation.strategies import Story

BOOM, WELL = Outcome("fail"), Outcome("succeed", 1)


def started(
    on_item_failure: OnItemFailure,
    outcomes: Sequence[Outcome],
    items: int = 4,
    limit: int = 1,
    body: tuple[StepSpec, ...] = (step("x"),),
    after: tuple[StepSpec, ...] = (),
) -> Player:
    """A loop ``l`` whose steps ``x`` end with ``outcomes``, in turn from iteration to iteration."""
    loop = StepSpec("l", loop=LoopSpec(tuple(range(items)), body, limit, on_item_failure))
    story = Story(FlowSpec((loop, *after)), Script({"l.x": tuple(outcomes)}))
    player = Player(story, Trouble(stop=True, retry=True))
    player.start()
    return player


def finish(player: Player) -> RunStatus:
    player.drain()
    player.check_against_oracle()
    return player.state.status


def message(player: Player) -> str:
    return player.ledger.errors["l"].message


def test_usually_the_other_items_run_and_then_the_loop_fails() -> None:
    player = started("fail", [WELL, BOOM])
    assert finish(player) is RunStatus.FAILED
    assert "l.3.x" in player.ledger.rows
    assert message(player) == "2 of 4 iterations failed, first 'l.1.x'"


def test_loop_that_continues_succeeds_with_null_for_what_has_failed() -> None:
    player = started("continue", [WELL, BOOM])
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.output("l") == [1, None, 1, None]
    loop = player.ledger.rows["l"].loop
    assert loop is not None
    assert (loop.succeeded, loop.failed, loop.first_failure) == (2, 2, "l.1.x")


def test_loop_that_continues_succeeds_even_if_every_item_fails() -> None:
    player = started("continue", [BOOM])
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.output("l") == [None] * 4


def test_other_results_of_a_failed_iteration_are_not_put_out() -> None:
    player = started("continue", [WELL, BOOM], items=2, body=(step("x"), step("y")))
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.output("l") == [{"x": 1, "y": None}, None]


def test_failure_that_the_iteration_has_handled_counts_as_success() -> None:
    player = started("continue", [BOOM], items=1, body=(step("x"), step("h", x=TROUBLE), step("y")))
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.output("l") == [{"x": None, "y": None}]


def test_step_after_a_loop_that_continues_reads_null_where_items_have_failed() -> None:
    reader = StepSpec("r", (("l", DONE),), (Compare(Read("output", "l", (1,)), "==", None),))
    player = started("continue", [WELL, BOOM], items=2, after=(reader,), body=(step("x"), step("y")))
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.rows["r"].status is StepStatus.SUCCEEDED


def test_retry_of_an_item_mends_the_output_of_a_loop_that_continued() -> None:
    player = started("continue", [BOOM, WELL], items=1)
    assert finish(player) is RunStatus.SUCCEEDED
    player.retry("l.0.x")
    assert finish(player) is RunStatus.SUCCEEDED
    assert player.ledger.output("l") == [1]


def test_loop_that_stops_begins_nothing_after_the_first_failure() -> None:
    player = started("stopNew", [WELL, BOOM, WELL, WELL])
    assert finish(player) is RunStatus.FAILED
    assert "l.2.x" not in player.ledger.rows
    assert message(player) == "1 of 4 iterations failed, first 'l.1.x'; 2 were never begun"


def test_what_is_in_flight_ends_before_a_loop_that_stops_does() -> None:
    player = started("stopNew", [BOOM, WELL, WELL, WELL], limit=2)
    player.run("l.0.x")
    assert player.ledger.rows["l"].status is StepStatus.RUNNING
    player.run("l.1.x")
    assert player.state.status is RunStatus.FAILED
    assert "l.2.x" not in player.ledger.rows


def test_retry_of_the_failed_item_goes_on_with_those_that_were_never_begun() -> None:
    player = started("stopNew", [BOOM, *[WELL] * 4])
    assert finish(player) is RunStatus.FAILED
    player.retry("l.0.x")
    player.run("l.0.x")
    assert "l.1.x" in player.ledger.rows
    assert finish(player) is RunStatus.SUCCEEDED


def test_loop_that_stopped_stays_so_while_another_failure_is_left() -> None:
    player = started("stopNew", [BOOM, BOOM, WELL], limit=2)
    assert finish(player) is RunStatus.FAILED
    player.retry("l.1.x")
    player.run("l.1.x")
    assert player.state.status is RunStatus.FAILED
    assert "l.2.x" not in player.ledger.rows
