"""Runs that start other runs, on every storage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from floworch import (
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    InvalidTransition,
    RetryPolicy,
    RunHandle,
    RunStatus,
    Step,
    StepStatus,
)
from floworch.core.machine.history import fold
from floworch.core.machine.state import ParentStep
from floworch.core.ports.storage import Batch
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.builders import creation, insert, run_id, state
from tests.scenarios.world import HANDLERS, World

QUICK = RetryPolicy(max_attempts=3, backoff="fixed", initial=0.02, jitter=False)
Begin = Callable[..., Any]


def flow(number: int, name: str, timeout_seconds: float | None = None, /, **steps: Step | ForEach) -> FlowDefinition:
    return FlowDefinition(
        id=UUID(int=number), name=name, manifest=FlowManifest(steps=steps, timeout_seconds=timeout_seconds)
    )


def child_step(flow: str = "Child", run_after: tuple[str, ...] = (), retry: Any = None, **inputs: Any) -> Step:
    return Step(type="RunFlow", run_after=list(run_after), retry=retry, inputs={"flow": flow, **inputs})


def parent_of(step: Step | ForEach, timeout_seconds: float | None = None) -> FlowDefinition:
    after = Step(type="Echo", run_after=["call"], inputs={"value": "@steps('call').output"})
    return flow(1, "Parent", timeout_seconds, call=step, after=after)


ECHO = flow(2, "Child", work=Step(type="Echo", inputs={"value": "@triggerBody()"}))
GATED = flow(2, "Child", held=Step(type="Gate"))


@pytest.fixture
async def begin(backend: Backend, world: World) -> AsyncIterator[Begin]:
    """Start an orchestrator with these flows. All are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def begin_one(*flows: FlowDefinition, concurrency: int = 16, **settings: Any) -> FlowOrchestrator:
            builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime(concurrency=concurrency)
            builder.add_flow(*flows).add_handlers(*HANDLERS).add_service(world)
            settings = {"poll_interval_seconds": 0.05, "cancel_grace_seconds": 0.05, "drain_seconds": 0.1} | settings
            return await stack.enter_async_context(builder.configure(**settings).build())

        yield begin_one


async def child_of(orchestrator: FlowOrchestrator, run: RunHandle) -> RunHandle:
    """The first child of the run, as soon as it has one."""
    async for event in run.events():
        if event.type == "step.child_started":
            return orchestrator.handle(event.data["child"])
    raise AssertionError("the run has started no other one")


async def test_the_output_of_the_child_is_that_of_the_step(begin: Begin) -> None:
    orchestrator = await begin(parent_of(child_step(body={"n": "@triggerBody().n"}, headers={"h": "x"})), ECHO)

    result = await (await orchestrator.trigger("Parent", body={"n": 7})).wait(timeout=30)

    assert result.succeeded
    assert result.steps["call"].output == {"n": 7}
    assert result.output == {"n": 7}
    assert result.steps["call"].type == "RunFlow"
    assert result.steps["call"].input == {"flow": "Child", "body": {"n": 7}, "headers": {"h": "x"}}


async def test_lineage_is_told_both_ways(begin: Begin) -> None:
    child = flow(2, "Child", work=Step(type="Echo", inputs={"value": "@run().parentRunId"}))
    orchestrator = await begin(parent_of(child_step("00000000-0000-0000-0000-000000000002")), child)

    result = await (await orchestrator.trigger("Parent", priority=3)).wait(timeout=30)

    [run] = (await orchestrator.list_runs(parent=result.run_id)).runs
    assert (run.parent_run_id, run.parent_step_key) == (result.run_id, "call")
    assert result.steps["call"].progress == {
        "kind": "child",
        "run_id": str(run.id),
        "flow_name": "Child",
        "on_failure": "fail",
    }
    assert result.output == str(result.run_id)
    assert result.run.parent_run_id is None


async def test_a_child_with_several_results_gives_an_object(begin: Begin) -> None:
    child = flow(
        2,
        "Child",
        a=Step(type="Echo", inputs={"value": 1}),
        b=Step(type="SkipsItself"),
        c=ForEach(for_each=[1, 2], steps={"x": Step(type="Echo", inputs={"value": "@item()"})}),
    )
    orchestrator = await begin(parent_of(child_step()), child)

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.steps["call"].output == {"a": 1, "b": None, "c": [1, 2]}
    [run] = (await orchestrator.list_runs(parent=result.run_id)).runs
    assert (await orchestrator.get_run(run.id)).output == {"a": 1, "b": None, "c": [1, 2]}


async def test_a_step_that_does_not_wait_has_the_id_of_the_run(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step(wait=False)), GATED)

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    run_id = result.steps["call"].output["runId"]
    assert (await orchestrator.handle(run_id).status()) is RunStatus.RUNNING
    world.open_gate("held")
    assert (await orchestrator.wait(run_id, timeout=30)).succeeded


async def test_a_failed_child_fails_the_step(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step()), ECHO)
    world.broken = {"work"}

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.status is RunStatus.FAILED
    error = result.steps["call"].error
    assert error["type"] == "ChildFailed"
    assert error["message"].endswith("of flow 'Child' ended Failed: step 'work' failed: work is broken")


async def test_a_failed_child_need_not_fail_the_step(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step(onChildFailure="continue")), ECHO)
    world.broken = {"work"}

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.succeeded
    assert result.steps["call"].output is None


async def test_each_attempt_starts_a_child_of_its_own(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step(retry=QUICK)), ECHO)
    world.broken = {"work"}

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.attempts["call"] == 3
    runs = (await orchestrator.list_runs(parent=result.run_id)).runs
    assert [run.status for run in runs] == [RunStatus.FAILED] * 3

    world.broken = set()
    await orchestrator.retry(result.run_id, "call")
    result = await orchestrator.wait(result.run_id, timeout=30)
    assert result.succeeded
    assert len((await orchestrator.list_runs(parent=result.run_id)).runs) == 4


async def test_a_skipped_child_skips_the_step(begin: Begin) -> None:
    orchestrator = await begin(parent_of(child_step()), flow(2, "Child", work=Step(type="Echo", when="1 == 2")))

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.status is RunStatus.SKIPPED
    assert result.steps["call"].status is StepStatus.SKIPPED


async def test_cancelling_a_run_cancels_its_children_first(begin: Begin, world: World) -> None:
    grandchild = flow(3, "Grandchild", held=Step(type="Gate"))
    child = flow(2, "Child", deeper=child_step("Grandchild"))
    orchestrator = await begin(parent_of(child_step()), child, grandchild)
    run = await orchestrator.trigger("Parent")
    await world.until_reached("held")
    below = await child_of(orchestrator, run)
    lowest = await child_of(orchestrator, below)

    await run.cancel("not wanted")
    ends = [await each.wait(timeout=30) for each in (run, below, lowest)]

    assert [end.status for end in ends] == [RunStatus.CANCELLED] * 3
    times = [end.run.ended_at for end in ends if end.run.ended_at is not None]
    assert times == sorted(times, reverse=True)
    assert ends[0].steps["call"].status is StepStatus.SKIPPED
    assert "not wanted" in (ends[2].error or "")
    assert str(run.run_id) in (ends[1].error or "")


async def test_a_cancelled_child_fails_the_step(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step()), GATED)
    run = await orchestrator.trigger("Parent")
    await world.until_reached("held")

    await (await child_of(orchestrator, run)).cancel("no")
    result = await run.wait(timeout=30)

    assert result.status is RunStatus.FAILED
    assert result.steps["call"].reason.endswith("ended Cancelled: no")


async def test_a_child_does_not_outlive_the_deadline_of_its_parent(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step(timeoutSeconds=3600), timeout_seconds=0.5), GATED)
    run = await orchestrator.trigger("Parent")
    child = await child_of(orchestrator, run)

    result, below = await run.wait(timeout=30), await child.wait(timeout=30)

    assert result.status is RunStatus.TIMED_OUT
    assert below.status in (RunStatus.TIMED_OUT, RunStatus.CANCELLED)
    assert below.error is not None
    assert below.error.startswith(f"the run {run.run_id}, which waits for this one, ")
    assert below.run.deadline == result.run.deadline
    assert below.run.ended_at <= result.run.ended_at


async def test_a_child_has_a_time_limit_of_its_own(begin: Begin) -> None:
    orchestrator = await begin(parent_of(child_step(timeoutSeconds=0.1)), GATED)

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.status is RunStatus.FAILED
    assert "ended TimedOut: the time limit that the run was started with, 0.1 seconds" in result.steps["call"].reason


async def test_endless_recursion_ends(begin: Begin) -> None:
    orchestrator = await begin(flow(1, "Parent", call=child_step("Parent")), max_run_depth=3)

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.status is RunStatus.FAILED
    runs = (await orchestrator.list_runs()).runs
    assert len(runs) == 4
    lowest = await orchestrator.get_run(runs[0].id)
    assert lowest.steps["call"].error["type"] == "TooDeep"


async def test_a_loop_starts_a_child_for_each_item(begin: Begin) -> None:
    loop = ForEach(for_each="@range(0, 40)", concurrency_limit=20, steps={"one": child_step(body="@item()")})
    orchestrator = await begin(parent_of(loop), ECHO)

    result = await (await orchestrator.trigger("Parent")).wait(timeout=60)

    assert result.output == list(range(40))


async def test_the_key_of_a_child_makes_one_run(begin: Begin) -> None:
    orchestrator = await begin(
        flow(1, "Parent", a=child_step(idempotencyKey="k"), b=child_step(idempotencyKey="k")), ECHO
    )

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    ends = sorted((step.status, (step.error or {}).get("type")) for step in result.steps.values())
    assert ends == [(StepStatus.FAILED, "IdempotencyConflict"), (StepStatus.SUCCEEDED, None)]
    assert len((await orchestrator.list_runs(flow="Child")).runs) == 1


async def test_a_step_that_does_not_wait_takes_the_run_that_has_the_key(begin: Begin) -> None:
    orchestrator = await begin(parent_of(child_step(idempotencyKey="k", wait=False)), ECHO)
    first = await orchestrator.trigger("Child", idempotency_key="k")

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    assert result.output == {"runId": str(first.run_id)}


async def test_another_process_tells_the_parent_when_the_one_that_ended_the_child_cannot(
    begin: Begin, world: World, backend: Backend
) -> None:
    orchestrator = await begin(parent_of(child_step()), GATED)
    orchestrator._engine._children._is_closing = True  # as if it died each time before it could tell
    run = await orchestrator.trigger("Parent")
    child = await child_of(orchestrator, run)
    world.open_gate("held")

    assert (await child.wait(timeout=30)).succeeded
    if orchestrator.storage.capabilities.shared_between_processes:
        assert (await run.wait(timeout=30)).succeeded
    else:
        orchestrator._engine._timers.look()
        assert (await run.wait(timeout=30)).succeeded


async def test_a_process_leaves_children_that_it_does_not_know_to_others(begin: Begin, backend: Backend) -> None:
    child_plan = parent_of(child_step())
    first = await begin(child_plan, ECHO, concurrency=1)
    if not first.storage.capabilities.shared_between_processes:
        pytest.skip(f"{backend.name} is not shared between processes")
    unknowing = await begin(flow(1, "Parent", call=Step(type="Echo")))
    assert "RunFlow:Child" in first._engine._worklist.step_types
    assert "RunFlow:Child" not in unknowing._engine._worklist.step_types

    results = await asyncio.gather(*[(await first.trigger("Parent")).wait(timeout=30) for _ in range(5)])

    assert all(result.succeeded for result in results)


async def test_the_stop_of_a_child_is_repeated_until_it_has_ended(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step()), GATED)
    run = await orchestrator.trigger("Parent")
    child = await child_of(orchestrator, run)
    await world.until_reached("held")
    orchestrator._engine._children._is_closing = True  # as if it died before it could pass the stop on
    await run.cancel()
    assert (await run.result()).steps["call"].due_at is not None
    orchestrator._engine._children._is_closing = False

    result = await run.wait(timeout=30)

    assert result.status is RunStatus.CANCELLED
    assert (await child.status()) is RunStatus.CANCELLED
    with pytest.raises(InvalidTransition):
        await child.cancel()


async def test_a_child_whose_parent_is_gone_just_ends(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step()), GATED)
    orphan = creation(2, flow_id=GATED.id, parent=ParentStep(run_id(1), "call", 1, waits=True, depth=1))
    orphan.facts_of_run = replace(orphan.facts_of_run, manifest_hash=GATED.manifest.content_hash)
    orphan.steps = {"held": insert(state(), type="Gate")}
    await orchestrator.storage.commit(Batch(creations=[orphan]))
    orchestrator._engine._timers.look()
    world.open_gate("held")

    assert (await orchestrator.wait(run_id(2), timeout=30)).succeeded

    orchestrator._engine._timers.look()
    while (await orchestrator.storage.due(datetime.now(UTC), 10)).children:  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0)


async def test_the_history_of_parent_and_child_folds_to_the_present(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step(retry=QUICK)), ECHO)
    world.broken = {"work"}

    result = await (await orchestrator.trigger("Parent")).wait(timeout=30)

    for run in [result.run, *(await orchestrator.list_runs(parent=result.run_id)).runs]:
        events = [event async for event in orchestrator.events(run.id, follow=False)]
        folded = fold({"type": event.type, "step": event.step_key, **event.data} for event in events)
        found = await orchestrator.get_run(run.id)
        assert folded.status is found.status
        assert folded.steps == {key: (step.status, step.attempt) for key, step in found.steps.items()}


async def test_a_step_that_is_ended_by_hand_asks_its_child_to_stop(begin: Begin, world: World) -> None:
    orchestrator = await begin(parent_of(child_step()), GATED)
    run = await orchestrator.trigger("Parent")
    child = await child_of(orchestrator, run)
    await world.until_reached("held")

    await run.complete_step("call", "by hand")
    result, stopped = await run.wait(timeout=30), await child.wait(timeout=30)

    assert result.succeeded
    assert result.steps["after"].output == "by hand"
    assert stopped.status is RunStatus.CANCELLED
    assert stopped.error is not None
    assert "ended by hand" in stopped.error
