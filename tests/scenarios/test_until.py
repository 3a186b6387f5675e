"""Loops that go on until a condition holds, and what a failed item means, on every storage."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from floworch import FlowManifest, ForEach, InvalidTransition, RunStatus, Step, StepStatus, Until
from floworch.core.machine.history import fold
from floworch.core.model.steps import OnItemFailure
from tests.contracts.storage.backends import Backend
from tests.scenarios.conftest import Start
from tests.scenarios.world import World

COUNTS = {"x": Step(type="Echo", inputs={"value": {"n": "@index()"}})}


def until(condition: str, steps: dict[str, Any] | None = None, **settings: Any) -> FlowManifest:
    loop = Until(until=condition, steps=steps or COUNTS, **settings)
    after = Step(type="Echo", run_after=["u"], inputs={"value": "@steps('u').output"})
    return FlowManifest(steps={"u": loop, "after": after})


async def test_it_repeats_until_its_condition_holds(start: Start, world: World) -> None:
    orchestrator = await start(until("@steps('x').output.n == 3"))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.succeeded
    assert [world.calls[f"u.{n}.x"] for n in range(5)] == [1, 1, 1, 1, 0]
    assert result.steps["u"].output == {"n": 3}
    assert result.steps["after"].output == {"n": 3}
    assert result.steps["u"].progress == {"kind": "until", "started": 4, "counted_from": 0, "first_failure": None}


async def test_it_fails_when_it_has_gone_on_for_too_long(start: Start) -> None:
    orchestrator = await start(until("@steps('x').output.n > 10", max_iterations=3))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.status is RunStatus.FAILED
    assert result.error is not None
    assert result.error.startswith("step 'u' failed: the condition \"@steps('x').output.n > 10\" is false after 3")
    assert result.steps["u"].error is not None
    assert result.steps["u"].error["type"] == "UntilExhausted"
    assert result.steps["after"].status is StepStatus.SKIPPED


async def test_an_exhausted_loop_that_is_retried_goes_on(start: Start) -> None:
    orchestrator = await start(until("@steps('x').output.n == 3", max_iterations=2))
    handle = await orchestrator.trigger("Scenario")
    assert (await handle.wait(timeout=30)).status is RunStatus.FAILED

    await handle.retry("u")
    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert result.steps["after"].output == {"n": 3}


async def test_the_step_that_has_failed_in_an_iteration_can_be_retried(start: Start, world: World) -> None:
    world.broken = {"u.1.x"}
    orchestrator = await start(until("@steps('x').output.n == 2"))
    handle = await orchestrator.trigger("Scenario")
    failed = await handle.wait(timeout=30)
    assert failed.error == "step 'u.1.x' failed: u.1.x is broken"
    with pytest.raises(InvalidTransition, match="retry the failed steps inside it"):
        await handle.retry("u")

    world.broken.clear()
    await handle.retry("u.1.x")
    result = await handle.wait(timeout=30)

    assert result.succeeded
    assert world.calls["u.0.x"] == 1
    assert world.calls["u.1.x"] == 2
    assert result.steps["u"].output == {"n": 2}


async def test_it_waits_between_its_iterations(start: Start) -> None:
    orchestrator = await start(until("@steps('x').output.n == 2", delay=0.1))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.succeeded
    assert result.duration is not None
    assert result.duration >= timedelta(seconds=0.2)
    facts = [
        {"type": e.type, "step": e.step_key, **e.data} async for e in orchestrator.events(result.run_id, follow=False)
    ]
    assert [fact["type"] for fact in facts if fact["step"] == "u"] == [
        "step.started",
        *["step.pending", "step.continued"] * 2,
        "step.completed",
    ]
    assert fold(facts).steps["u"] == (StepStatus.SUCCEEDED, 1)


async def test_a_wait_between_iterations_outlives_its_process(start: Start, backend: Backend, world: World) -> None:
    if backend.name == "memory":
        pytest.skip(f"{backend.name} does not survive a restart")
    manifest = until("@steps('x').output.n == 1", delay=0.5)
    first = await start(manifest)
    handle = await first.trigger("Scenario")
    async for event in handle.events():
        if event.type == "step.pending":
            break
    await first.stop()

    second = await start(manifest)
    result = await second.wait(handle.run_id, timeout=30)

    assert result.succeeded
    assert [world.calls[f"u.{n}.x"] for n in range(3)] == [1, 1, 0]


async def test_it_can_be_cancelled_while_it_waits(start: Start, world: World) -> None:
    orchestrator = await start(until("@steps('x').output.n == 1", delay=3600))
    handle = await orchestrator.trigger("Scenario")
    async for event in handle.events():
        if event.type == "step.pending":
            break

    await handle.cancel("enough")
    result = await handle.wait(timeout=30)

    assert result.status is RunStatus.CANCELLED
    assert result.steps["u"].status is StepStatus.SKIPPED
    assert result.steps["u"].due_at is None
    assert world.calls["u.1.x"] == 0


async def test_a_deadline_ends_it_while_it_waits(start: Start) -> None:
    manifest = until("@steps('x').output.n == 1", delay=3600).model_copy(update={"timeout_seconds": 0.2})
    orchestrator = await start(manifest)

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.status is RunStatus.TIMED_OUT


async def test_loops_around_it_put_out_what_its_last_iterations_have(start: Start) -> None:
    inner = Until(until="@index() >= item()", steps={"x": Step(type="Echo", inputs={"value": "@index()"})})
    loop = ForEach(for_each=[0, 2, 1], concurrency_limit=3, steps={"u": inner})
    reader = Step(type="Echo", run_after=["loop"], inputs={"value": "@steps('loop').output"})
    orchestrator = await start(FlowManifest(steps={"loop": loop, "after": reader}))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.steps["after"].output == result.steps["loop"].output == [0, 2, 1]


async def test_many_loops_run_beside_each_other(start: Start) -> None:
    orchestrator = await start(until("@steps('x').output.n == 5"))
    handles = await asyncio.gather(*(orchestrator.trigger("Scenario") for _ in range(10)))

    results = await asyncio.gather(*(handle.wait(timeout=30) for handle in handles))

    assert all(result.succeeded for result in results)


def items(on_item_failure: OnItemFailure, **settings: Any) -> FlowManifest:
    body = {"x": Step(type="Echo", inputs={"value": "@item()"}), "y": Step(type="Echo", inputs={"value": "@index()"})}
    loop = ForEach(for_each=[5, 6, 7], on_item_failure=on_item_failure, steps=body, **settings)
    after = Step(type="Echo", run_after=["loop"], inputs={"value": "@steps('loop').output"})
    return FlowManifest(steps={"loop": loop, "after": after})


async def test_a_loop_goes_on_without_the_items_that_fail(start: Start, world: World) -> None:
    world.broken = {"loop.1.x"}
    orchestrator = await start(items("continue"))
    handle = await orchestrator.trigger("Scenario")

    result = await handle.wait(timeout=30)

    assert result.succeeded
    expected = [{"x": 5, "y": 0}, None, {"x": 7, "y": 2}]
    assert result.steps["after"].output == result.steps["loop"].output == expected
    assert result.steps["loop"].loop is not None
    assert result.steps["loop"].loop["failed"] == 1
    assert result.steps["loop"].loop["first_failure"] == "loop.1.x"

    world.broken.clear()
    await handle.retry("loop.1.x")
    mended = await handle.wait(timeout=30)

    assert mended.steps["loop"].output == [{"x": 5, "y": 0}, {"x": 6, "y": 1}, {"x": 7, "y": 2}]
    assert world.calls["after"] == 1


async def test_a_loop_begins_nothing_after_the_first_failure(start: Start, world: World) -> None:
    world.broken = {"loop.0.x"}
    orchestrator = await start(items("stopNew"))
    handle = await orchestrator.trigger("Scenario")

    result = await handle.wait(timeout=30)

    assert result.error == "step 'loop.0.x' failed: loop.0.x is broken"
    assert result.steps["loop"].reason == "1 of 3 iterations failed, first 'loop.0.x'; 2 were never begun"
    assert world.calls["loop.1.x"] == 0

    world.broken.clear()
    await handle.retry("loop.0.x")
    assert (await handle.wait(timeout=30)).steps["after"].output == [
        {"x": 5, "y": 0},
        {"x": 6, "y": 1},
        {"x": 7, "y": 2},
    ]


async def test_the_error_of_a_run_is_not_that_of_an_item_that_was_let_go(start: Start, world: World) -> None:
    world.broken = {"loop.1.x", "after"}
    orchestrator = await start(items("continue"))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.error == "step 'after' failed: after is broken"
