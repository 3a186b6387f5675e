"""Whole flows on every storage: retries, waits, deadlines, cancelling, retrying by hand, stopping, taking over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from floworch import (
    ConfigurationError,
    FlowManifest,
    ForEach,
    InvalidTransition,
    RetryPolicy,
    RunNotFound,
    RunStatus,
    Step,
    StepNotFound,
    StepStatus,
    WaitTimeout,
)
from floworch.core.machine.history import fold
from tests.contracts.storage.backends import Backend
from tests.scenarios.conftest import Start
from tests.scenarios.world import World

QUICK = RetryPolicy(max_attempts=3, backoff="fixed", initial=0.02, jitter=False)


def one(step: Step | ForEach, timeout_seconds: float | None = None) -> FlowManifest:
    steps = {"a": step, "b": Step(type="Echo", run_after=["a"])}
    return FlowManifest(steps=steps, timeout_seconds=timeout_seconds)


async def test_a_failing_step_is_tried_again_as_its_policy_says(start: Start) -> None:
    orchestrator = await start(one(Step(type="FailsUntil", inputs={"attempt": 3}, retry=QUICK)))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.succeeded
    assert result.attempts == {"a": 3, "b": 1}
    events = [event async for event in orchestrator.events(result.run_id, follow=False)]
    assert [event.type for event in events if event.step_key == "a"] == [
        "step.started",
        "step.attempt_failed",
        "step.ready",
        "step.started",
        "step.attempt_failed",
        "step.ready",
        "step.started",
        "step.completed",
    ]


async def test_a_step_fails_for_good_when_its_attempts_are_used_up(start: Start) -> None:
    orchestrator = await start(one(Step(type="FailsUntil", inputs={"attempt": 9}, retry=QUICK)))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.status is RunStatus.FAILED
    assert result.attempts["a"] == 3
    assert result.error == "step 'a' failed: attempt 3"
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "ConnectionError"


async def test_a_deferred_step_waits_without_a_worker(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="DefersOnce", inputs={"seconds": 0.1})))
    handle = await orchestrator.trigger("Scenario")

    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert world.calls["a"] == 2
    assert result.duration is not None
    assert result.duration >= timedelta(seconds=0.1)


async def test_a_delay_takes_its_time_once(start: Start) -> None:
    orchestrator = await start(one(Step(type="Delay", inputs={"seconds": 0.1})))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.succeeded
    assert result.attempts["a"] == 2


async def test_a_timeout_fails_the_attempt(start: Start) -> None:
    orchestrator = await start(one(Step(type="Gate", timeout=0.05)))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.steps["a"].status is StepStatus.FAILED
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "Timeout"


async def test_a_run_past_its_deadline_ends(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Gate"), timeout_seconds=0.1))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.status is RunStatus.TIMED_OUT
    assert result.error == "the time limit of the flow, 0.1 seconds, is over"
    assert result.steps["b"].status is StepStatus.SKIPPED
    assert world.calls["b"] == 0


async def test_a_trigger_and_the_settings_limit_runs_as_well(start: Start) -> None:
    delay = Step(type="Delay", inputs={"seconds": 3600})
    orchestrator = await start(one(delay), default_run_timeout_seconds=0.2)

    by_default = await (await orchestrator.trigger("Scenario")).wait(timeout=30)
    short = await (await orchestrator.trigger("Scenario", timeout=0.1)).wait(timeout=30)
    asked = await orchestrator.trigger("Scenario", timeout=1000)

    assert by_default.status is RunStatus.TIMED_OUT
    assert by_default.error == "the default time limit, 0.2 seconds, is over"
    assert short.error == "the time limit that the run was started with, 0.1 seconds, is over"
    deadline = (await asked.result()).run.deadline
    assert deadline is not None
    assert deadline - (await asked.result()).started_at == timedelta(seconds=1000)


async def test_a_run_that_was_made_of_another_one_says_who_had_limited_that(start: Start) -> None:
    orchestrator = await start(one(Step(type="Delay", inputs={"seconds": 3600}), timeout_seconds=0.1))
    first = await orchestrator.trigger("Scenario")
    await first.wait(timeout=30)

    again = await (await first.rerun()).wait(timeout=30)

    assert again.error == "the time limit of the flow, 0.1 seconds, is over"


async def test_a_cancelled_run_ends_when_its_handlers_have(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Gate")))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")

    await handle.cancel("not wanted any more")
    result = await handle.wait(timeout=30)

    assert result.status is RunStatus.CANCELLED
    assert result.error == "not wanted any more"
    assert result.steps["a"].status is StepStatus.FAILED
    assert result.steps["b"].status is StepStatus.SKIPPED


async def test_a_parked_step_does_not_hold_up_a_cancel(start: Start) -> None:
    orchestrator = await start(one(Step(type="Delay", inputs={"seconds": 3600})))
    handle = await orchestrator.trigger("Scenario")
    async for event in handle.events():
        if event.type == "step.pending":
            break

    await handle.cancel()
    result = await handle.wait(timeout=30)

    assert result.status is RunStatus.CANCELLED
    assert result.steps["a"].status is StepStatus.SKIPPED


async def test_what_makes_no_sense_is_refused(start: Start) -> None:
    orchestrator = await start(one(Step(type="Echo")))
    handle = await orchestrator.trigger("Scenario")
    await handle.wait(timeout=30)

    with pytest.raises(InvalidTransition, match="already ended Succeeded"):
        await handle.cancel()
    with pytest.raises(InvalidTransition, match="only failed steps can be retried, and 'a' is Succeeded"):
        await handle.retry("a")
    with pytest.raises(StepNotFound, match="'nowhere'"):
        await handle.retry("nowhere")
    with pytest.raises(RunNotFound):
        await orchestrator.cancel("01890000-0000-7000-8000-000000000000")
    with pytest.raises(RunNotFound):
        await orchestrator.get_run("01890000-0000-7000-8000-000000000000")


async def test_the_history_says_who_has_done_what(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Echo")))
    world.broken = {"a"}
    handle = await orchestrator.trigger("Scenario")
    await handle.wait(timeout=30)
    with pytest.raises(ConfigurationError, match="1 to 200 characters"):
        await handle.retry("a", by=" ")

    await handle.retry("a", by="Ann, on call")
    await handle.wait(timeout=30)
    await handle.retry("a")

    retries = [event async for event in handle.events() if event.type == "step.retried"]
    assert [event.data for event in retries] == [{"by": "Ann, on call"}, {}]


async def test_a_retried_step_takes_the_run_up_again(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Echo", inputs={"value": 1})))
    world.broken = {"a"}
    handle = await orchestrator.trigger("Scenario")
    failed = await handle.wait(timeout=30)
    assert (failed.status, failed.steps["b"].status) == (RunStatus.FAILED, StepStatus.SKIPPED)

    world.broken = set()
    await handle.retry("a")
    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert result.attempts == {"a": 2, "b": 1}


async def test_a_retry_decides_anew_what_a_condition_had_skipped(start: Start, world: World) -> None:
    steps = {
        "work": Step(type="Echo"),
        "on_error": Step(type="Echo", run_after={"work": ["Failed"]}, when="@triggerBody()?.notify == true"),
    }
    orchestrator = await start(FlowManifest(steps=steps))
    world.broken = {"work"}
    handle = await orchestrator.trigger("Scenario", body={})
    assert (await handle.wait(timeout=30)).status is RunStatus.FAILED

    world.broken = set()
    await handle.retry("work")

    assert (await handle.wait(timeout=30)).status is RunStatus.SUCCEEDED


async def test_a_step_inside_an_ended_loop_can_be_retried(start: Start, world: World) -> None:
    body = {
        "x": Step(type="Echo", inputs={"value": "@item()"}),
        "y": Step(type="Echo", run_after=["x"], inputs={"value": "@index()"}),
    }
    orchestrator = await start(one(ForEach(for_each=["p", "q", "r"], steps=body)))
    world.broken = {"a.1.x"}
    handle = await orchestrator.trigger("Scenario")
    assert (await handle.wait(timeout=30)).status is RunStatus.FAILED

    world.broken = set()
    await handle.retry("a.1.x")
    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert result.steps["a"].output == [0, 1, 2]
    assert result.steps["a.1.x"].output == "q"
    assert {key: count for key, count in world.calls.items() if count > 1} == {"a.1.x": 2}


async def test_one_idempotency_key_makes_one_run(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Echo")))

    handles = await asyncio.gather(*(orchestrator.trigger("Scenario", idempotency_key="k") for _ in range(200)))

    assert len({handle.run_id for handle in handles}) == 1
    assert sum(not handle.duplicate for handle in handles) == 1
    await handles[0].wait(timeout=30)
    assert world.calls["a"] == 1


async def test_waiting_gives_up_and_the_run_goes_on(start: Start, world: World) -> None:
    orchestrator = await start(one(Step(type="Gate")))
    handle = await orchestrator.trigger("Scenario")

    with pytest.raises(WaitTimeout):
        await handle.wait(timeout=0.05)
    world.open_gate("a")

    assert (await handle.wait(timeout=30)).succeeded


async def test_who_waits_for_a_run_that_ended_before_a_refused_change_is_told_at_once(start: Start) -> None:
    orchestrator = await start(one(Step(type="Echo")))
    handle = await orchestrator.trigger("Scenario")
    await handle.wait(timeout=30)
    with pytest.raises(InvalidTransition):
        await handle.retry("a")

    assert (await handle.wait(timeout=0)).succeeded


async def test_another_process_takes_over_at_once_what_a_stopped_one_had_begun(
    start: Start, world: World, backend: Backend
) -> None:
    manifest = one(Step(type="Gate"))
    first = await start(manifest)
    if not first.storage.capabilities.survives_restart:
        pytest.skip(f"{backend.name} does not survive a restart")
    handle = await first.trigger("Scenario")
    await world.until_reached("a")
    await first.stop()

    second = await start(manifest)
    world.open_gate("a")
    result = await second.wait(handle.run_id, timeout=15)

    assert result.succeeded
    assert result.attempts == {"a": 2, "b": 1}


async def test_two_processes_share_the_work_of_one_run(start: Start, world: World, backend: Backend) -> None:
    steps: dict[str, Step] = {f"p{n}": Step(type="Gate") for n in range(24)}
    first = await start(FlowManifest(steps=steps))
    if not first.storage.capabilities.shared_between_processes:
        pytest.skip(f"{backend.name} is not shared between processes")
    await start(FlowManifest(steps=steps))
    handle = await first.trigger("Scenario")
    for key in steps:  # 24 steps at once need the slots of both
        await world.until_reached(key)
    for key in steps:
        world.open_gate(key)

    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert len({step.owner for step in result.steps.values()} - {None}) == 2


async def test_the_history_folds_to_the_present(start: Start, world: World) -> None:
    body = {"x": Step(type="FailsUntil", inputs={"attempt": 2}, retry=QUICK), "y": Step(type="Echo", run_after=["x"])}
    orchestrator = await start(one(ForEach(for_each="@range(0, 4)", concurrency_limit=2, steps=body)))
    world.broken = {"a.2.y"}

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    events = [event async for event in orchestrator.events(result.run_id, follow=False)]
    folded = fold({"type": event.type, "step": event.step_key, **event.data} for event in events)
    assert folded.status is result.status is RunStatus.FAILED
    assert folded.steps == {key: (step.status, step.attempt) for key, step in result.steps.items()}


async def test_an_item_is_not_retried_beside_items_that_a_stop_has_cut_off(start: Start, world: World) -> None:
    body = {"x": Step(type="Echo"), "y": Step(type="Delay", run_after=["x"], inputs={"seconds": 3600})}
    orchestrator = await start(one(ForEach(for_each=[1, 2], concurrency_limit=2, steps=body)))
    world.broken = {"a.0.x"}
    handle = await orchestrator.trigger("Scenario")
    async for event in handle.events():
        if (event.type, event.step_key) == ("step.pending", "a.1.y"):
            break
    await handle.cancel()
    await handle.wait(timeout=30)

    refusal = r"'a\.1\.y', of another item of 'a', was stopped half-way; fork from 'a\.0\.x' instead"
    with pytest.raises(InvalidTransition, match=refusal):
        await handle.retry("a.0.x")
    with pytest.raises(InvalidTransition, match=refusal):
        await handle.retry_failed()

    world.broken = set()
    fork = await handle.fork("a.0.x")
    for item in (0, 1):
        async for event in fork.events():
            if (event.type, event.step_key) == ("step.pending", f"a.{item}.y"):
                break
        await fork.complete_step(f"a.{item}.y")
    assert (await fork.wait(timeout=30)).succeeded
