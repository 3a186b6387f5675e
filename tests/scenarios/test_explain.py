"""Why is this not running? Asked on every storage, of runs under way and of runs that have ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from floworch import (
    CronTrigger,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    Limit,
    RetryPolicy,
    RunNotFound,
    RunStatus,
    Step,
    StepNotFound,
    step_handler,
)
from floworch.core.explain import Explanation, ReasonCode
from floworch.core.model.records import FlowRecord
from floworch.core.model.schedules import TickOutcome
from floworch.core.ports.storage import Batch
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.builders import creation, insert, state
from tests.scenarios.conftest import Start
from tests.scenarios.world import FLOW_ID, HANDLERS, World, flow_of

SLOW_RETRY = RetryPolicy(max_attempts=3, backoff="fixed", initial=600, jitter=False)


async def once(ask: Callable[[], Awaitable[Explanation]], code: ReasonCode) -> Explanation:
    """The explanation, as soon as there is that reason."""
    async with asyncio.timeout(30):
        while True:
            told = await ask()
            if code in told.codes:
                return told
            await asyncio.sleep(0.01)


async def test_a_signal_with_a_quorum(start: Start) -> None:
    wait = Step(type="WaitForSignal", inputs={"signalName": "vote", "quorum": 2, "timeoutSeconds": 3600})
    orchestrator = await start(FlowManifest(steps={"a": wait, "b": Step(type="Echo", run_after=["a"])}))
    handle = await orchestrator.trigger("Scenario")
    await handle.signal("vote", {"by": "Ada"})

    told = await handle.explain()

    [reason] = told.reasons
    assert (reason.code, reason.step_key, reason.details["came"]) == (ReasonCode.SIGNAL, "a", {"vote": 1})
    assert reason.until is not None
    assert list(told.then) == ["b"]
    assert (await handle.explain("b")).codes == {ReasonCode.DEPENDENCY, ReasonCode.SIGNAL}


async def test_a_running_handler_with_its_worker_and_lease(start: Start, world: World) -> None:
    orchestrator = await start(FlowManifest(steps={"a": Step(type="Gate")}), worker_id="w-7", lease_seconds=30)
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")

    [reason] = (await handle.explain()).reasons

    assert (reason.code, reason.details["worker"], reason.details["attempt"]) == (ReasonCode.HANDLER, "w-7", 1)
    lease_until = datetime.fromisoformat(str(reason.details["leaseUntil"]))
    assert timedelta(0) < lease_until - datetime.now(UTC) < timedelta(seconds=40)
    world.open_gate("a")


async def test_a_retry_and_the_error_before_it(start: Start, world: World) -> None:
    orchestrator = await start(FlowManifest(steps={"a": Step(type="Echo", retry=SLOW_RETRY)}))
    world.broken = {"a"}
    handle = await orchestrator.trigger("Scenario")

    [reason] = (await once(handle.explain, ReasonCode.RETRY)).reasons

    assert reason.details["error"] == "ValueError: a is broken"
    assert reason.until is not None
    assert reason.until > datetime.now(UTC) + timedelta(minutes=9)


async def test_a_child_run_and_what_that_waits_for(start: Start) -> None:
    child = Step(type="RunFlow", inputs={"flow": "Scenario", "body": {"depth": 1}})
    inner = Step(type="WaitForSignal", inputs={"signalName": "go"})
    steps = {"call": child.model_copy(update={"when": "@triggerBody()?.depth == null"}), "wait": inner}
    orchestrator = await start(FlowManifest(steps=steps))
    handle = await orchestrator.trigger("Scenario", body={})

    told = await once(lambda: handle.explain("call"), ReasonCode.CHILD)

    [reason] = told.reasons
    page = await orchestrator.list_runs(parent=handle.run_id)
    assert reason.details["runId"] == str(page.runs[0].id)
    assert "waits for the signal 'go'" in reason.sentence


@asynccontextmanager
async def asking(backend: Backend, manifest: FlowManifest, *handlers: object) -> AsyncIterator[FlowOrchestrator]:
    """A process that triggers and asks, and leaves the steps to others."""
    builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime().add_service(World())
    builder.add_flow(flow_of(manifest)).add_handlers(*HANDLERS, *handlers).configure(ready_grace_seconds=0.01)
    orchestrator = builder.build()
    await orchestrator.start(work=False)
    try:
        yield orchestrator
    finally:
        await orchestrator.stop()


@step_handler("Elsewhere")
async def elsewhere() -> None:
    """Only some processes have it."""


async def test_a_type_that_this_process_cannot_run(backend: Backend) -> None:
    manifest = FlowManifest(steps={"a": Step(type="Elsewhere")})
    async with asking(backend, manifest, elsewhere) as knowing:
        if not knowing.storage.capabilities.shared_between_processes:
            pytest.skip(f"{backend.name} is not shared between processes")
        handle = await knowing.trigger("Scenario")
        async with asking(backend, FlowManifest(steps={"b": Step(type="Echo")})) as other:
            [reason] = (await other.explain(handle.run_id)).reasons

        assert reason.code is ReasonCode.NO_HANDLER
        assert (await handle.explain()).codes <= {ReasonCode.WORKER, ReasonCode.NO_WORKER}


async def test_a_version_that_this_process_cannot_read(backend: Backend) -> None:
    async with asking(backend, FlowManifest(steps={"a": Step(type="Echo")})) as orchestrator:
        future = FlowRecord(FLOW_ID, "Scenario", "9.9", "hash-1", '{"steps":{"a":{"type":"Echo","inFuture":true}}}')
        await orchestrator.storage.save_flows([future])
        strange = creation(1, flow_id=FLOW_ID, steps={"a": insert(state(), type="Echo")})
        await orchestrator.storage.commit(Batch(creations=[strange]))

        [reason] = (await orchestrator.explain(strange.run_id, "a")).reasons

    assert reason.code is ReasonCode.UNREADABLE
    assert "made for another floworch" in reason.sentence


async def test_a_store_where_nobody_works(backend: Backend) -> None:
    async with asking(backend, FlowManifest(steps={"a": Step(type="Echo")})) as orchestrator:
        told = await once((await orchestrator.trigger("Scenario")).explain, ReasonCode.NO_WORKER)

    assert "no worker seems to be alive" in told.sentence


async def test_a_limit_that_another_run_has_used_up(start: Start, world: World) -> None:
    manifest = FlowManifest(steps={"a": Step(type="Gate")}, limit=Limit(concurrency=1))
    orchestrator = await start(manifest)
    first = await orchestrator.trigger("Scenario")
    await world.until_reached("a")
    second = await orchestrator.trigger("Scenario")

    [reason] = (await second.explain()).reasons

    assert reason.code is ReasonCode.LIMIT
    assert "it lets 1 attempt run at once" in reason.sentence
    assert (await first.explain()).codes == {ReasonCode.HANDLER}
    world.open_gate("a")
    assert (await second.wait(timeout=30)).succeeded


async def test_a_suspended_run(start: Start, world: World) -> None:
    steps = {"a": Step(type="Gate"), "b": Step(type="Echo", run_after=["a"])}
    orchestrator = await start(FlowManifest(steps=steps))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")
    await handle.suspend("stock-taking", by="ada")
    world.open_gate("a")

    told = await once(lambda: handle.explain("b"), ReasonCode.SUSPENDED)

    assert told.status == "Pending"
    assert (await handle.explain()).reasons[0].details == {"by": "ada", "reason": "stock-taking"}
    await handle.resume()
    assert (await handle.wait(timeout=30)).succeeded


async def test_why_a_run_has_failed_inside_a_loop_that_is_put_away(start: Start, world: World) -> None:
    body = {"x": Step(type="Echo", inputs={"value": "@item()"}), "y": Step(type="Echo", run_after=["x"])}
    loop = ForEach(for_each=["p", "q", "r"], steps=body)
    orchestrator = await start(FlowManifest(steps={"a": loop, "b": Step(type="Echo", run_after=["a"])}))
    world.broken = {"a.1.x"}
    handle = await orchestrator.trigger("Scenario")
    assert (await handle.wait(timeout=30)).status is RunStatus.FAILED

    told = await handle.explain()

    assert [(reason.code, reason.step_key) for reason in told.reasons] == [
        (ReasonCode.FAILED, None),
        (ReasonCode.FAILED, "a.1.x"),
    ]
    assert "ValueError: a.1.x is broken" in told.sentence
    assert (await handle.explain("a.0.y")).codes == {ReasonCode.SUCCEEDED}
    skipped = await handle.explain("b")
    assert [reason.step_key for reason in skipped.reasons] == ["b", "a", "a.1.x"]
    assert (await handle.explain("a.1.y")).reasons[0].code is ReasonCode.SKIPPED_BY_DEPENDENCY


async def test_why_a_condition_was_false(start: Start) -> None:
    steps = {"a": Step(type="Echo", when="@triggerBody().n > 5"), "b": Step(type="Echo")}
    orchestrator = await start(FlowManifest(steps=steps))
    handle = await orchestrator.trigger("Scenario", body={"n": 3})
    await handle.wait(timeout=30)

    [reason] = (await handle.explain("a")).reasons

    assert reason.code is ReasonCode.SKIPPED_BY_CONDITION
    assert "3 > 5" in reason.sentence
    assert reason.details["conditions"][0]["result"] is False


async def test_a_step_that_was_taken_over_from_another_run(start: Start) -> None:
    steps = {"a": Step(type="Echo"), "b": Step(type="Echo", run_after=["a"])}
    orchestrator = await start(FlowManifest(steps=steps))
    first = await orchestrator.trigger("Scenario")
    await first.wait(timeout=30)
    fork = await first.fork("b")
    await fork.wait(timeout=30)

    [reason] = (await fork.explain("a")).reasons

    assert (reason.code, reason.details["reusedFrom"]) == (ReasonCode.SUCCEEDED, str(first.run_id))
    assert f"in the run {first.run_id}, from which it was taken over" in reason.sentence


async def test_what_is_not_there_is_refused(start: Start) -> None:
    orchestrator: FlowOrchestrator = await start(
        FlowManifest(steps={"first": ForEach(for_each=[1], steps={"x": Step(type="Echo")})})
    )
    handle = await orchestrator.trigger("Scenario")
    await handle.wait(timeout=30)

    with pytest.raises(RunNotFound):
        await orchestrator.explain("01890000-0000-7000-8000-000000000000")
    for key in ("frist", "first.x.x", "first.0.y", "first.0"):
        with pytest.raises(StepNotFound, match="has no step"):
            await handle.explain(key)
    with pytest.raises(StepNotFound, match="Did you mean 'first'"):
        await handle.explain("frist")


async def test_asking_changes_nothing(start: Start, world: World) -> None:
    orchestrator = await start(FlowManifest(steps={"a": Step(type="Gate"), "b": Step(type="Echo", run_after=["a"])}))
    handle = await orchestrator.trigger("Scenario")
    await world.until_reached("a")
    before = await handle.result()

    for key in (None, "a", "b"):
        await handle.explain(key)

    assert await handle.result() == before
    world.open_gate("a")
    assert (await handle.wait(timeout=30)).succeeded


async def test_a_schedule_that_is_paused_and_one_whose_flow_is_disabled(start: Start) -> None:
    trigger = CronTrigger(cron_expression="0 3 * * *")
    orchestrator = await start(FlowManifest(triggers={"nightly": trigger}, steps={"a": Step(type="Echo")}))
    assert (await orchestrator.schedules.explain("Scenario", "nightly")).codes == {ReasonCode.TICK}

    await orchestrator.schedules.pause("Scenario", "nightly", "holidays", until=timedelta(days=3))
    told = await orchestrator.schedules.explain("Scenario", "nightly")

    assert told.status == "Paused"
    assert "holidays" in told.sentence
    await orchestrator.schedules.resume("Scenario", "nightly")
    await orchestrator.disable_flow("Scenario")
    assert (await orchestrator.schedules.explain("Scenario", "nightly")).codes == {ReasonCode.DISABLED}


async def test_a_schedule_that_waits_for_an_earlier_run(start: Start) -> None:
    trigger = CronTrigger(cron_expression="* * * * * *", overlap="queue")
    wait = Step(type="WaitForSignal", inputs={"signalName": "go"})
    orchestrator = await start(FlowManifest(triggers={"often": trigger}, steps={"a": wait}))
    told = await once(lambda: orchestrator.schedules.explain("Scenario", "often"), ReasonCode.OVERLAP)

    [tick, *_] = await orchestrator.schedules.ticks("Scenario", "often")
    assert tick.outcome is TickOutcome.FIRED
    [reason] = told.reasons
    assert reason.details["runId"] == str(tick.run_id)
    assert "waits for the signal 'go'" in told.sentence
