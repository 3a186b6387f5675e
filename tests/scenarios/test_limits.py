"""Whole flows on every storage whose steps are limited: by type, by flow, by key, and by rate."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from floworch import (
    Compensation,
    ConfigurationError,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    InvalidPayload,
    Limit,
    Rate,
    RetryPolicy,
    RunHandle,
    RunResult,
    Scope,
    Step,
    StepContext,
    step_handler,
)
from floworch.core.model.manifest import AnyStep
from tests.contracts.storage.backends import Backend
from tests.scenarios.conftest import Start
from tests.scenarios.world import HANDLERS, World, flow_of

ONE = Limit(concurrency=1)
TENANT = "@triggerBody()?.tenant"


def gates(**settings: Any) -> FlowManifest:
    return FlowManifest(steps={"a": Step(type="Gate")}, **settings)


async def all_of(*handles: RunHandle) -> list[RunResult]:
    return list(await asyncio.gather(*(handle.wait(timeout=30) for handle in handles)))


async def used_up(orchestrator: FlowOrchestrator) -> dict[str, int]:
    use = await orchestrator.storage.limit_use()
    return {quota.limit: count for quota, count in use.running.items() if count}


async def test_steps_of_a_flow_run_one_at_a_time(start: Start, world: World) -> None:
    loop = ForEach(for_each=list(range(12)), concurrency_limit=6, steps={"e": Step(type="Echo")})
    orchestrator = await start(FlowManifest(steps={"l": loop}, limit=ONE))

    results = await all_of(*[await orchestrator.trigger("Scenario") for _ in range(3)])

    assert all(result.succeeded for result in results)
    assert (world.calls["l.0.e"], world.most_at_once["e"]) == (3, 1)
    assert await used_up(orchestrator) == {}


async def test_the_next_run_starts_when_the_first_one_gives_its_slot_back(start: Start, world: World) -> None:
    orchestrator = await start(gates(limit=ONE))
    first, second = [await orchestrator.trigger("Scenario") for _ in range(2)]
    await world.until_reached("a")
    assert world.calls["a"] == 1

    world.open_gate("a")

    assert [result.status for result in await all_of(first, second)] == ["Succeeded", "Succeeded"]


async def test_each_key_has_a_limit_of_its_own_and_no_key_has_none(start: Start, world: World) -> None:
    orchestrator = await start(gates(concurrency_key=TENANT, key_limit=ONE))
    bodies = [{"tenant": "north"}, {"tenant": "north"}, {"tenant": "south"}, {}, {}]
    handles = [await orchestrator.trigger("Scenario", body=body) for body in bodies]

    await world.until_called("a", 4)
    assert world.at_once["a"] == 4

    world.open_gate("a")
    assert all(result.succeeded for result in await all_of(*handles))


async def test_a_tenant_with_many_runs_does_not_keep_others_waiting(start: Start, world: World) -> None:
    orchestrator = await start(gates(concurrency_key=TENANT, key_limit=ONE))
    for _ in range(80):
        await orchestrator.trigger("Scenario", body={"tenant": "big"})

    for tenant in range(3):
        await orchestrator.trigger("Scenario", body={"tenant": tenant})

    await world.until_called("a", 4)
    assert world.at_once["a"] == 4


async def test_a_type_is_limited_in_all_processes_together(backend: Backend, world: World) -> None:
    if backend.name == "memory":
        pytest.skip("the store is not shared")
    loop = ForEach(for_each=list(range(10)), concurrency_limit=10, steps={"e": Step(type="Echo")})

    def process() -> FlowOrchestrator:
        builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime(concurrency=16)
        builder.add_flow(flow_of(FlowManifest(steps={"l": loop}))).add_handlers(*HANDLERS).add_service(world)
        return builder.limit("echo", concurrency=2).configure(poll_interval_seconds=0.05).build()

    async with process() as one, process() as other:
        handles = [await each.trigger("Scenario") for each in (one, other) for _ in range(3)]
        assert all(result.succeeded for result in await all_of(*handles))

    assert world.most_at_once["e"] == 2


async def test_a_handler_brings_its_limit_along(backend: Backend, world: World) -> None:
    @step_handler("Fragile", limit=ONE)
    async def fragile(ctx: StepContext) -> None:
        ctx.service(World).enter(ctx.step_key)
        await asyncio.sleep(0)
        ctx.service(World).leave(ctx.step_key)

    loop = ForEach(for_each=list(range(8)), concurrency_limit=8, steps={"f": Step(type="Fragile")})
    builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime()
    builder.add_flow(flow_of(FlowManifest(steps={"l": loop}))).add_handlers(fragile).add_service(world)
    async with builder.build() as orchestrator:
        assert (await (await orchestrator.trigger("Scenario")).wait(timeout=30)).succeeded

    assert world.most_at_once["f"] == 1


async def test_a_step_that_backs_off_or_waits_holds_no_slot(start: Start, world: World) -> None:
    retry = RetryPolicy(max_attempts=2, backoff="fixed", initial=0.2, jitter=False)
    steps = {
        "fails": Step(type="FailsUntil", inputs={"attempt": 2}, retry=retry),
        "defers": Step(type="DefersOnce", inputs={"seconds": 0.2}),
        "waits": Step(type="WaitForSignal", inputs={"signalName": "go"}),
        "e": Step(type="Echo"),
    }
    orchestrator = await start(FlowManifest(steps=steps, limit=ONE))
    run = await orchestrator.trigger("Scenario")

    await world.until_called("e", 1)
    await run.signal("go")

    assert (await run.wait(timeout=30)).succeeded
    assert await used_up(orchestrator) == {}


async def test_loops_scopes_and_children_do_not_deadlock_under_a_limit_of_one(start: Start, world: World) -> None:
    undone = Step(type="Echo", compensate=Compensation(type="Echo"))
    scope = Scope(
        steps={"u": undone, "x": Step(type="Echo", run_after=["u"])}, catch={"c": Step(type="Echo")},
        finally_={"f": Step(type="Echo")},
    )  # fmt: skip
    child = Step(
        type="RunFlow", inputs={"flow": "Scenario", "body": {"leaf": True}}, when="triggerBody()?.leaf == null"
    )
    loop = ForEach(for_each=[1, 2, 3], concurrency_limit=3, steps={"s": scope, "child": child})
    world.broken.add("l.1.s.steps.x")
    steps: dict[str, AnyStep] = {"l": loop, "last": Step(type="Echo", run_after=["l"])}
    orchestrator = await start(FlowManifest(steps=steps, limit=ONE))

    result = await (await orchestrator.trigger("Scenario", body={})).wait(timeout=60)

    assert result.succeeded
    assert await used_up(orchestrator) == {}


async def test_a_rate_spreads_the_starts(start: Start, world: World) -> None:
    loop = ForEach(for_each=list(range(6)), concurrency_limit=6, steps={"e": Step(type="Echo")})
    rate = Limit(rate=Rate(count=10, per_seconds=1))
    orchestrator = await start(FlowManifest(steps={"l": loop}, limit=rate))
    began = time.monotonic()

    assert (await (await orchestrator.trigger("Scenario")).wait(timeout=30)).succeeded

    assert time.monotonic() - began >= 0.5, "six starts have five tenths of a second between them"


async def test_steps_start_in_the_order_in_which_they_became_ready_and_by_priority(start: Start, world: World) -> None:
    steps = {"g": Step(type="Gate"), "e": Step(type="Echo", inputs={"value": "@triggerBody()"})}
    orchestrator = await start(FlowManifest(steps=steps, limit=ONE))
    hold = await orchestrator.trigger("Scenario", body="hold", priority=9)
    await world.until_called("g", 1)
    handles = [await orchestrator.trigger("Scenario", body=n, priority=n // 2) for n in range(4)]

    world.open_gate("g")
    await all_of(hold, *handles)

    records = [await handle.result() for handle in handles]
    started = sorted(range(4), key=lambda n: records[n].steps["e"].started_at)
    assert started == [2, 3, 0, 1]


async def test_a_limit_that_is_raised_lets_more_start(start: Start, world: World) -> None:
    orchestrator = await start(gates(limit=ONE))
    for _ in range(3):
        await orchestrator.trigger("Scenario")
    await world.until_called("a", 1)

    await orchestrator.limits.set("flow:Scenario", concurrency=3)

    await world.until_called("a", 3)


async def test_a_limit_that_somebody_has_set_survives_a_restart(backend: Backend) -> None:
    if backend.name == "memory":
        pytest.skip("the store is not kept")

    def process() -> FlowOrchestrator:
        builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime()
        return builder.add_flow(flow_of(gates(limit=ONE))).add_handlers(*HANDLERS).add_service(World()).build()

    async with process() as orchestrator:
        await orchestrator.limits.set("flow:Scenario", concurrency=4)
    async with process() as orchestrator:
        [status] = await orchestrator.limits.list()
        assert (status.limit, status.code) == (Limit(concurrency=4), ONE)
        await orchestrator.limits.reset_to_code("flow:Scenario")
        assert [each.limit for each in await orchestrator.limits.list()] == [ONE]


async def test_a_key_that_cannot_be_evaluated_refuses_the_trigger(start: Start) -> None:
    orchestrator = await start(gates(concurrency_key="@triggerBody()?.tenants", key_limit=ONE))

    with pytest.raises(InvalidPayload, match="concurrencyKey of flow 'Scenario' must give text"):
        await orchestrator.trigger("Scenario", body={"tenants": ["north", "south"]})

    assert (await orchestrator.list_runs()).runs == []


@pytest.mark.parametrize("step_type", ["ForEach", "scope", "waitforsignal"])
def test_what_the_engine_carries_out_itself_cannot_be_limited_by_the_code(step_type: str) -> None:
    with pytest.raises(ConfigurationError, match="are carried out by the engine itself"):
        FlowOrchestrator.builder().limit(step_type, concurrency=1)


async def test_a_cancelled_run_frees_its_slot(start: Start, world: World) -> None:
    orchestrator = await start(gates(limit=ONE))
    first, second = [await orchestrator.trigger("Scenario") for _ in range(2)]
    await world.until_called("a", 1)

    running = first if (await first.result()).steps["a"].status == "Running" else second
    await running.cancel("enough")

    await world.until_called("a", 2)
    world.open_gate("a")
    assert sorted(result.status for result in await all_of(first, second)) == ["Cancelled", "Succeeded"]
