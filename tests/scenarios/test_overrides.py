"""What people decide about runs and steps, on every storage: suspend, resume, complete, fail, skip, run now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floworch import (
    Compensation,
    FlowManifest,
    ForEach,
    InvalidTransition,
    RetryPolicy,
    RunHandle,
    RunStatus,
    Scope,
    Step,
    StepNotFound,
    StepStatus,
    Until,
)
from floworch.core.machine.history import fold
from tests.scenarios.conftest import Start
from tests.scenarios.world import World

LATER = RetryPolicy(max_attempts=3, backoff="fixed", initial=3600, jitter=False)


def one(step: Step | ForEach | Until | Scope, **more: Any) -> FlowManifest:
    after = Step(type="Echo", run_after=["a"], inputs={"value": "@steps('a').output"})
    return FlowManifest.model_validate({"steps": {"a": step, "b": after}, **more})


def wait_for(name: str, **inputs: Any) -> Step:
    return Step(type="WaitForSignal", inputs={"signalName": name, **inputs})


async def seen(handle: RunHandle, kind: str, step: str | None = None) -> None:
    """Return once the history has such an event."""
    async with asyncio.timeout(30):
        async for event in handle.events():
            if (event.type, event.step_key) == (kind, step):
                return


async def kinds(handle: RunHandle) -> list[str]:
    return [event.type async for event in handle.events(follow=False)]


async def test_a_suspended_run_starts_nothing_and_goes_on_when_it_is_resumed(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Gate")))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")

    await handle.suspend("the bank is closed", by="Ann")
    world.open_gate("a")
    await seen(handle, "step.suspended", "b")
    suspended = (await handle.result()).run
    found = [run.id for run in (await orchestrator.list_runs(suspended=True)).runs]
    await handle.resume(by="Ben")
    result = await handle.wait(timeout=30)

    assert (suspended.status, suspended.suspend_reason, suspended.suspended_by) == (
        RunStatus.RUNNING,
        "the bank is closed",
        "Ann",
    )
    assert suspended.suspended_at is not None
    assert found == [handle.run_id]
    assert result.succeeded
    assert result.run.suspended_at is None
    assert result.steps["b"].output == "passed"
    assert not (await orchestrator.list_runs(suspended=True)).runs
    told = await kinds(handle)
    assert "step.started" not in told[told.index("run.suspended") : told.index("run.resumed")]


async def test_a_retry_whose_time_comes_while_the_run_is_suspended_waits_for_the_end_of_that(
    start: Start, world: World
) -> None:
    again = RetryPolicy(max_attempts=100, backoff="fixed", initial=0.02, jitter=False)
    orchestrator = await start(one(Step(type="Gate", timeout=0.2, retry=again)))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")

    await handle.suspend()
    await seen(handle, "step.suspended", "a")
    world.open_gate("a")
    await handle.resume()

    result = await handle.wait(timeout=30)
    assert result.succeeded
    assert result.attempts["a"] > 1


async def test_what_is_ready_when_the_run_is_suspended_is_taken_by_nobody(start: Start, world: World) -> None:
    steps: dict[str, Step] = {f"p{n}": Step(type="Gate") for n in range(40)}
    orchestrator = await start(FlowManifest(steps=steps))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("p0")

    await handle.suspend()
    for key in steps:
        world.open_gate(key)
    await seen(handle, "step.completed", "p0")
    statuses = {step.status for step in (await handle.result()).steps.values()}
    assert StepStatus.READY not in statuses
    await handle.resume()

    assert (await handle.wait(timeout=30)).succeeded
    assert set(world.calls.values()) == {1}


async def test_a_signal_completes_its_step_while_the_run_is_suspended(start: Start) -> None:
    orchestrator = await start(one(wait_for("go")))
    handle = await orchestrator.trigger("Scenario")
    await handle.suspend()

    await handle.signal("go", 7)

    steps = (await handle.result()).steps
    assert (steps["a"].status, steps["b"].status) == (StepStatus.SUCCEEDED, StepStatus.PENDING)
    await handle.resume()
    assert (await handle.wait(timeout=30)).steps["b"].output == 7


async def test_a_cancel_lifts_a_suspension_so_that_the_run_can_clean_up(start: Start, world: World) -> None:
    charge = Step(type="Echo", compensate=Compensation(type="Echo"))
    steps = {"charge": charge, "ship": Step(type="Gate", run_after=["charge"])}
    orchestrator = await start(one(Scope(steps=steps)))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a.steps.ship")
    await handle.suspend("wait a moment")
    world.open_gate("a.steps.ship")

    await handle.cancel("enough", by="Ann")
    result = await handle.wait(timeout=30)

    assert result.status is RunStatus.CANCELLED
    assert result.run.suspended_at is None
    assert world.calls["a.compensate.charge"] == 1


async def test_a_deadline_ends_a_suspended_run(start: Start) -> None:
    orchestrator = await start(one(Step(type="Delay", inputs={"seconds": 3600}), timeout_seconds=1.5))
    handle = await orchestrator.trigger("Scenario")
    await handle.suspend()

    assert (await handle.wait(timeout=30)).status is RunStatus.TIMED_OUT


async def test_a_suspension_that_makes_no_sense_is_refused(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Gate")))
    handle = await orchestrator.trigger("Scenario")
    with pytest.raises(InvalidTransition, match="is not suspended"):
        await handle.resume()
    await handle.suspend("until noon")
    with pytest.raises(InvalidTransition, match=r"is already suspended, since .*: until noon"):
        await handle.suspend()
    world.open_gate("a")
    await handle.resume()
    await handle.wait(timeout=30)
    with pytest.raises(InvalidTransition, match="has already ended Succeeded"):
        await handle.suspend()
    with pytest.raises(InvalidTransition, match="has already ended Succeeded"):
        await handle.resume()


async def test_a_running_step_can_be_completed_and_its_handler_is_asked_to_stop(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Gate")))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")

    await handle.complete_step("a", {"by": "hand"}, reason="done on the phone", by="Ann")
    result = await handle.wait(timeout=30)
    world.open_gate("a")

    assert result.succeeded
    assert result.steps["a"].reason == "done on the phone"
    assert result.steps["b"].output == {"by": "hand"}
    [told] = [event async for event in handle.events() if (event.type, event.step_key) == ("step.completed", "a")]
    assert told.data == {"attempt": 1, "by_hand": True, "reason": "done on the phone", "by": "Ann"}


async def test_a_step_that_was_failed_by_hand_can_be_retried(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Gate", retry=LATER)))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")

    await handle.fail_step("a", "the partner is bankrupt", by="Ann")
    failed = await handle.wait(timeout=30)
    world.open_gate("a")
    await handle.retry("a")
    again = await handle.wait(timeout=30)

    assert failed.status is RunStatus.FAILED
    assert failed.steps["a"].error is not None
    assert failed.steps["a"].error["type"] == "FailedByOperator"
    assert failed.error == "step 'a' failed: the partner is bankrupt"
    assert again.succeeded
    assert again.attempts == {"a": 2, "b": 1}


async def test_what_a_person_has_skipped_satisfies_those_who_wait_for_a_skip(start: Start, world: World) -> None:
    steps = {
        "a": Step(type="Gate"),
        "b": Step(type="Echo", run_after={"a": ["Succeeded", "Skipped"]}),
        "c": Step(type="Echo", run_after=["a"]),
    }
    orchestrator = await start(FlowManifest(steps=steps))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")

    await handle.skip_step("a", "not this time", by="Ann")
    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert {key: step.status for key, step in result.steps.items()} == {
        "a": StepStatus.SKIPPED,
        "b": StepStatus.SUCCEEDED,
        "c": StepStatus.SKIPPED,
    }
    assert result.steps["a"].reason == "not this time"


@pytest.mark.parametrize("where", ["back-off", "deferral", "delay", "delay-until", "until"])
async def test_a_step_that_waits_for_a_time_runs_now(start: Start, where: str) -> None:
    body = {"x": Step(type="Echo", inputs={"value": "@index()"})}
    waiting: dict[str, Step | Until] = {
        "back-off": Step(type="FailsUntil", inputs={"attempt": 2}, retry=LATER),
        "deferral": Step(type="DefersOnce", inputs={"seconds": 3600}),
        "delay": Step(type="Delay", inputs={"seconds": 3600}),
        "delay-until": Step(type="Delay", inputs={"until": (datetime.now(UTC) + timedelta(days=1)).isoformat()}),
        "until": Until(until="@steps('x').output == 1", delay=3600, steps=body),
    }
    orchestrator = await start(one(waiting[where]))
    handle = await orchestrator.trigger("Scenario")
    await seen(handle, "step.attempt_failed" if where == "back-off" else "step.pending", "a")

    await handle.run_step_now("a", by="Ann")

    assert (await handle.wait(timeout=30)).succeeded
    assert {"by": "Ann"} in [event.data async for event in handle.events() if event.type == "step.run_now"]


async def test_a_wait_for_a_signal_can_be_completed_and_leaves_the_signal_to_others(start: Start) -> None:
    steps = {
        "a": wait_for("go", quorum=2),
        "b": wait_for("go"),
    }
    orchestrator = await start(FlowManifest(steps=steps))
    handle = await orchestrator.trigger("Scenario")
    assert (await handle.signal("go", 1)).step_key == "a"

    await handle.complete_step("a", "enough")
    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert {key: step.output for key, step in result.steps.items()} == {"a": "enough", "b": 1}


async def test_blocks_and_steps_that_have_not_begun_are_refused(start: Start, world: World) -> None:
    orchestrator = await start(one(ForEach(for_each=[1], steps={"x": Step(type="Gate")})))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a.0.x")

    with pytest.raises(InvalidTransition, match="'a' is made of steps: complete, fail or skip those inside"):
        await handle.complete_step("a")
    with pytest.raises(InvalidTransition, match="'b' has not begun: it waits for 'a'"):
        await handle.skip_step("b", "no")
    with pytest.raises(InvalidTransition, match=r"'a\.1' has not begun, or is over"):
        await handle.fail_step("a.1.x", "no")
    for nowhere in ("nowhere", "a.x", "a.0.nowhere", "b.0.x"):
        with pytest.raises(StepNotFound):
            await handle.skip_step(nowhere, "no")
    with pytest.raises(InvalidTransition, match="does not wait for a time: it is Running"):
        await handle.run_step_now("a.0.x")
    await handle.complete_step("a.0.x", 1)
    result = await handle.wait(timeout=30)
    assert result.steps["b"].output == [1]
    with pytest.raises(InvalidTransition, match="has already ended Succeeded"):
        await handle.fail_step("a.0.x", "late")


async def test_a_step_of_a_suspended_run_does_not_run_now(start: Start) -> None:
    orchestrator = await start(one(Step(type="DefersOnce", inputs={"seconds": 3600})))
    handle = await orchestrator.trigger("Scenario")
    await seen(handle, "step.pending", "a")
    await handle.suspend()
    with pytest.raises(InvalidTransition, match="the run is suspended; resume it"):
        await handle.run_step_now("a")


async def test_the_history_of_all_that_folds_to_the_present(start: Start, world: World) -> None:
    orchestrator = await start(one(ForEach(for_each=[1, 2, 3], concurrency_limit=3, steps={"x": Step(type="Gate")})))
    handle = await orchestrator.trigger("Scenario")
    for index in range(3):
        await world.until_reached(f"a.{index}.x")
    await handle.complete_step("a.0.x", 1)
    await handle.suspend()
    await handle.skip_step("a.1.x", "no")
    await handle.complete_step("a.2.x", 3)

    result = await handle.result()

    facts = [event async for event in handle.events(follow=False)]
    folded = fold({"type": event.type, "step": event.step_key, **event.data} for event in facts)
    assert folded.is_suspended
    assert folded.steps == {key: (step.status, step.attempt) for key, step in result.steps.items()}
    assert folded.steps["b"] == (StepStatus.PENDING, 0)
    await handle.resume()
    assert (await handle.wait(timeout=30)).steps["b"].output == [1, None, 3]
