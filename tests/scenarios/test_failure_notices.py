"""Somebody is told of failed runs, on every storage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest

from floworch import FailureNotice, FlowManifest, FlowOrchestrator, ForEach, RunStatus, Step, WebhookNotifier
from tests.contracts.storage.backends import Backend
from tests.scenarios.test_schedules import until
from tests.scenarios.world import HANDLERS, World, flow_of
from tests.servers.http import serving

Begin = Callable[..., Any]
BREAKS = FlowManifest(
    steps={"a": Step(type="Echo"), "b": Step(type="Echo", run_after=["a"])},
    tags={"tenant": "@triggerBody()?.tenant"},
)
ONE = {"x": Step(type="Echo")}
WAITS = FlowManifest(steps={"wait": Step(type="WaitForSignal", inputs={"signalName": "go"})})


@pytest.fixture
async def begin(backend: Backend, world: World) -> AsyncIterator[Begin]:
    """Start an orchestrator that tells this notifier. All are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def begin_one(
            manifest: FlowManifest, notifier: Any, *, work: bool = True, **options: Any
        ) -> FlowOrchestrator:
            builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime(concurrency=16)
            builder.add_flow(flow_of(manifest)).add_handlers(*HANDLERS).add_service(world)
            builder.configure(poll_interval_seconds=0.05, idle_poll_seconds=0.1, drain_seconds=0.1)
            orchestrator = builder.on_failure(notifier, **options).build()
            await orchestrator.start(work=work)
            stack.push_async_callback(orchestrator.stop)
            return orchestrator

        yield begin_one


class Told:
    def __init__(self) -> None:
        self.runs: list[UUID] = []

    def __call__(self, notice: FailureNotice) -> None:
        self.runs.append(notice.run.id)

    def until(self, count: int) -> Any:
        async def are_told() -> bool:
            return len(self.runs) >= count

        return until(are_told)


async def test_each_failed_run_is_told_of_by_one_of_two_processes(begin: Begin, world: World) -> None:
    told = Told()
    world.broken.add("a")
    processes = [await begin(BREAKS, told)]
    if processes[0].storage.capabilities.shared_between_processes:
        processes.append(await begin(BREAKS, told))

    runs = [await processes[number % len(processes)].trigger("Scenario") for number in range(10)]
    for run in runs:
        assert (await run.wait(30)).status is RunStatus.FAILED
    await told.until(10)
    for process in processes:  # tells whatever is left
        await process.stop()

    assert sorted(told.runs) == sorted(run.run_id for run in runs)


async def test_an_end_that_a_process_has_not_told_of_is_told_by_another_one(begin: Begin) -> None:
    silent, told = Told(), Told()
    client = await begin(WAITS, silent, work=False, statuses=[RunStatus.CANCELLED])
    if not client.storage.capabilities.shared_between_processes:
        pytest.skip("there is no other process")
    run = await client.trigger("Scenario")
    await run.cancel()

    await begin(WAITS, told, statuses=[RunStatus.CANCELLED])
    await told.until(1)

    assert (silent.runs, told.runs) == ([], [run.run_id])


async def test_a_run_that_is_retried_and_fails_again_is_told_of_again(begin: Begin, world: World) -> None:
    told = Told()
    world.broken.add("b")
    orchestrator = await begin(BREAKS, told)
    run = await orchestrator.trigger("Scenario")
    await run.wait(30)
    await told.until(1)

    await run.retry("b")
    await told.until(2)
    world.broken.clear()
    await run.retry("b")
    assert (await run.wait(30)).succeeded
    await orchestrator.stop()

    assert told.runs == [run.run_id] * 2


async def test_a_retry_that_fails_within_its_own_commit_is_told_of(begin: Begin) -> None:
    told = Told()
    orchestrator = await begin(FlowManifest(steps={"loop": ForEach(for_each="@triggerBody()", steps=ONE)}), told)
    run = await orchestrator.trigger("Scenario", body="no list")
    await run.wait(30)
    await told.until(1)

    await run.retry("loop")

    await told.until(2)
    assert told.runs == [run.run_id] * 2


async def test_a_web_server_gets_the_notice(begin: Begin, world: World) -> None:
    world.broken.add("a")
    with serving() as server:
        orchestrator = await begin(BREAKS, WebhookNotifier(server.url), link="https://ops.example/{run_id}")
        run = await orchestrator.trigger("Scenario", body={"tenant": "acme"})
        await run.wait(30)

        async def is_asked() -> bool:
            return bool(server.asked)

        await until(is_asked)
        await orchestrator.stop()

    [asked] = server.asked
    notice = json.loads(asked.body)
    assert (notice["run"]["id"], notice["run"]["tags"]) == (str(run.run_id), {"tenant": "acme"})
    assert notice["error"] == "step 'a' failed: a is broken"
    assert notice["link"] == f"https://ops.example/{run.run_id}"
