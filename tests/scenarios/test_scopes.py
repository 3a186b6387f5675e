"""Scopes on every storage: what is undone, in which order, and how the run ends."""

from __future__ import annotations

from typing import Any

import pytest

from floworch import (
    Compensation,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    InvalidTransition,
    RunResult,
    RunStatus,
    Scope,
    Step,
    StepStatus,
)
from tests.scenarios.conftest import Start
from tests.scenarios.world import FLOW_ID, World


def echo(value: Any = None, **fields: Any) -> Step:
    return Step(type="Echo", inputs={"value": value}, **fields)


def undone(value: Any = None, undo: Any = None, **fields: Any) -> Step:
    return echo(value, compensate=Compensation(type="Echo", inputs={"value": undo}), **fields)


PAYMENT = Scope(
    steps={
        "reserve": undone("R-1", "@steps('reserve').output"),
        "charge": undone("C-1", run_after=["reserve"]),
        "ship": echo("sent", run_after=["charge"]),
    },
    catch={"notify": echo("@failure()")},
    finally_={"close": echo("@steps('ship').status")},
)


def manifest(pay: Scope = PAYMENT) -> FlowManifest:
    return FlowManifest(steps={"pay": pay, "after": echo("@steps('pay').output", run_after=["pay"])})


async def order_of(orchestrator: FlowOrchestrator, result: RunResult) -> list[str]:
    """Keys of the steps in the order in which they have ended."""
    ended = ("step.completed", "step.failed")
    events = orchestrator.events(result.run_id, follow=False)
    return [event.step_key async for event in events if event.type in ended and event.step_key]


async def run(orchestrator: FlowOrchestrator) -> RunResult:
    return await (await orchestrator.trigger(FLOW_ID)).wait(timeout=30)


async def test_a_scope_that_goes_well_gives_the_output_of_its_steps(start: Start) -> None:
    orchestrator = await start(manifest())
    result = await run(orchestrator)
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["pay"].output == result.steps["after"].output == "sent"
    assert list(result.steps) == [
        "pay",
        "pay.steps.reserve",
        "pay.steps.charge",
        "pay.steps.ship",
        "pay.finally.close",
        "after",
    ]


async def test_what_has_succeeded_is_undone_in_reverse_then_caught_then_cleaned_up(start: Start, world: World) -> None:
    world.broken = {"pay.steps.ship"}
    orchestrator = await start(manifest())
    result = await run(orchestrator)
    assert result.status is RunStatus.SUCCEEDED
    assert await order_of(orchestrator, result) == [
        "pay.steps.reserve",
        "pay.steps.charge",
        "pay.steps.ship",
        "pay.compensate.charge",
        "pay.compensate.reserve",
        "pay.catch.notify",
        "pay.finally.close",
        "pay",
        "after",
    ]
    failure = {"step": "ship", "type": "ValueError", "message": "pay.steps.ship is broken"}
    assert result.steps["pay.catch.notify"].output == result.steps["after"].output == failure
    assert result.steps["pay.compensate.reserve"].output == "R-1"
    assert result.steps["pay.finally.close"].output == "Failed"


async def test_without_catch_the_scope_fails_with_its_first_failure(start: Start, world: World) -> None:
    world.broken = {"pay.steps.charge"}
    orchestrator = await start(manifest(Scope(steps=PAYMENT.steps)))
    result = await run(orchestrator)
    assert (result.status, result.steps["after"].status) == (RunStatus.FAILED, StepStatus.SKIPPED)
    error = result.steps["pay"].error
    assert error is not None
    assert (error["type"], error["message"]) == (
        "ScopeFailed",
        "step 'pay.steps.charge' failed: pay.steps.charge is broken",
    )
    assert world.calls["pay.compensate.reserve"] == 1
    assert "pay.compensate.charge" not in result.steps
    with pytest.raises(InvalidTransition, match=r"has gone on since 'pay.steps.charge' failed; run the flow again"):
        await orchestrator.retry(result.run_id, "pay.steps.charge")


async def test_a_cancel_undoes_and_cleans_up_before_the_run_ends(start: Start, world: World) -> None:
    steps = {**PAYMENT.steps, "ship": Step(type="Gate", run_after=["charge"])}
    scope = Scope(steps=steps, catch=PAYMENT.catch, finally_={"close": echo("closed")})
    orchestrator = await start(manifest(scope))
    handle = await orchestrator.trigger(FLOW_ID)
    await world.until_reached("pay.steps.ship")
    await handle.cancel("no longer wanted")
    result = await handle.wait(timeout=30)
    assert result.status is RunStatus.CANCELLED
    assert {key: step.status for key, step in result.steps.items() if "." in key} == {
        "pay.steps.reserve": StepStatus.SUCCEEDED,
        "pay.steps.charge": StepStatus.SUCCEEDED,
        "pay.steps.ship": StepStatus.FAILED,
        "pay.compensate.charge": StepStatus.SUCCEEDED,
        "pay.compensate.reserve": StepStatus.SUCCEEDED,
        "pay.finally.close": StepStatus.SUCCEEDED,
    }
    assert result.steps["pay"].status is StepStatus.SKIPPED


async def test_a_stop_does_not_touch_what_is_being_undone(start: Start, world: World) -> None:
    world.broken = {"pay.steps.ship"}
    gate = Compensation(type="Gate")
    steps = {**PAYMENT.steps, "charge": echo("C-1", run_after=["reserve"], compensate=gate)}
    orchestrator = await start(manifest(Scope(steps=steps, catch=PAYMENT.catch)), heartbeat_seconds=0.05)
    handle = await orchestrator.trigger(FLOW_ID)
    await world.until_reached("pay.compensate.charge")
    await handle.cancel("no longer wanted")
    world.open_gate("pay.compensate.charge")
    result = await handle.wait(timeout=30)
    assert result.status is RunStatus.CANCELLED
    assert result.steps["pay.compensate.charge"].output == "passed"
    assert result.steps["pay.compensate.reserve"].status is StepStatus.SUCCEEDED
    assert "pay.catch.notify" not in result.steps
    assert result.steps["pay"].status is StepStatus.FAILED


async def test_a_compensation_that_fails_needs_a_person_who_can_retry_it(start: Start, world: World) -> None:
    world.broken = {"pay.steps.ship", "pay.compensate.charge"}
    orchestrator = await start(manifest())
    result = await run(orchestrator)
    assert result.status is RunStatus.FAILED
    assert result.error == (
        "not everything is undone: step 'pay.compensate.charge' failed: pay.compensate.charge is broken"
    )
    assert result.steps["pay.compensate.reserve"].status is StepStatus.SUCCEEDED
    world.broken = {"pay.steps.ship"}
    await orchestrator.retry(result.run_id, "pay.compensate.charge")
    again = await orchestrator.wait(result.run_id, timeout=30)
    assert again.status is RunStatus.SUCCEEDED
    assert world.calls["pay.compensate.charge"] == 2
    assert world.calls["pay.compensate.reserve"] == world.calls["pay.catch.notify"] == world.calls["after"] == 1


async def test_a_cancelled_run_whose_compensation_fails_ends_failed_until_that_is_made_good(
    start: Start, world: World
) -> None:
    world.broken = {"pay.compensate.charge"}
    steps = {**PAYMENT.steps, "ship": Step(type="Gate", run_after=["charge"])}
    orchestrator = await start(manifest(Scope(steps=steps)))
    handle = await orchestrator.trigger(FLOW_ID)
    await world.until_reached("pay.steps.ship")
    await handle.cancel("no longer wanted")
    result = await handle.wait(timeout=30)
    assert result.status is RunStatus.FAILED
    assert "pay.compensate.charge" in (result.error or "")
    world.broken = set()
    await orchestrator.retry(result.run_id, "pay.compensate.charge")
    again = await orchestrator.wait(result.run_id, timeout=30)
    assert again.status is RunStatus.CANCELLED
    assert world.calls["pay.compensate.charge"] == 2
    assert again.steps["after"].status is StepStatus.SKIPPED


async def test_a_scope_inside_hands_what_it_has_done_on_to_the_one_around(start: Start, world: World) -> None:
    inner = Scope(steps={"hold": undone("H-1"), "book": undone("B-1", run_after=["hold"])}, run_after=["reserve"])
    steps: dict[str, Step | Scope] = {"reserve": undone("R-1"), "inner": inner, "ship": echo(run_after=["inner"])}
    world.broken = {"pay.steps.ship"}
    orchestrator = await start(manifest(Scope(steps=steps)))
    result = await run(orchestrator)
    assert result.status is RunStatus.FAILED
    assert (await order_of(orchestrator, result))[-4:] == [
        "pay.steps.inner.compensate.book",
        "pay.steps.inner.compensate.hold",
        "pay.compensate.reserve",
        "pay",
    ]
    assert result.steps["pay.steps.inner"].status is StepStatus.SUCCEEDED


async def test_a_compensation_of_an_iteration_that_has_ended_can_be_retried(start: Start, world: World) -> None:
    scope = Scope(steps={"do": undone("@item()"), "check": echo("@item()", run_after=["do"])})
    loop = ForEach(for_each=[1, 2, 3], concurrency_limit=2, steps={"pay": scope})
    world.broken = {"each.1.pay.steps.check", "each.1.pay.compensate.do"}
    orchestrator = await start(FlowManifest(steps={"each": loop}))
    result = await run(orchestrator)
    assert result.status is RunStatus.FAILED
    assert "each.1.pay.compensate.do" in (result.error or "")
    world.broken = {"each.1.pay.steps.check"}
    await orchestrator.retry(result.run_id, "each.1.pay.compensate.do")
    again = await orchestrator.wait(result.run_id, timeout=30)
    assert again.status is RunStatus.FAILED
    error = again.steps["each.1.pay"].error
    assert error is not None
    assert error["type"] == "ScopeFailed"
    assert world.calls["each.1.pay.compensate.do"] == 2


async def test_output_of_a_loop_over_scopes(start: Start, world: World) -> None:
    scope = Scope(steps={"do": echo("@item()")}, catch={"instead": echo(["@item()"])})
    loop = ForEach(for_each=[1, 2, 3], concurrency_limit=3, steps={"pay": scope})
    world.broken = {"each.1.pay.steps.do"}
    orchestrator = await start(
        FlowManifest(steps={"each": loop, "after": echo("@steps('each').output", run_after=["each"])})
    )
    result = await run(orchestrator)
    assert result.steps["after"].output == result.steps["each"].output == [1, [2], 3]
