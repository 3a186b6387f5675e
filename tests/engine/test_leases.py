from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from floworch import RunStatus, Step, StepContext, StepStatus, StorageUnavailable
from floworch.core.ports.clock import Clock
from tests.engine.stores import BrittleStore
from tests.engine.workbench import FLOW_ID, SharedMemory, chain, orchestrator, running, seconds


def one_store(kind: type[SharedMemory] = SharedMemory) -> Callable[[Clock], Any]:
    """The same store for every orchestrator of a test."""
    made: list[SharedMemory] = []

    def make(clock: Clock) -> SharedMemory:
        made[:] = made or [kind(clock)]
        return made[0]

    return make


async def test_a_handler_that_takes_longer_than_its_lease_keeps_it_by_heartbeats() -> None:
    async def work() -> None:
        await asyncio.sleep(300)

    async with running(chain("Work"), {"Work": work}, lease_seconds=9, heartbeat_seconds=3) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
    assert (result.status, result.steps["s0"].attempt) == (RunStatus.SUCCEEDED, 1)


async def test_the_step_of_a_worker_that_falls_silent_goes_to_another_and_its_late_result_is_refused() -> None:
    store = one_store()
    outputs = iter(["late", "in time"])

    async def work() -> str:
        output = next(outputs)
        await asyncio.sleep(100 if output == "late" else 1)
        return output

    silent = orchestrator(chain("Work"), {"Work": work}, store=store, lease_seconds=30, heartbeat_seconds=29.9)
    other = orchestrator(chain("Work"), {"Work": work}, store=store, poll_interval_seconds=1)
    async with silent:
        run = await silent.trigger(FLOW_ID)
        silent._engine._leases._held.clear()  # its heartbeats no longer renew anything
        async with other:
            result = await other.wait(run.run_id)
            assert 30 <= seconds() <= 34
            await asyncio.sleep(100)
        again = await silent.get_run(run.run_id)
    assert result.steps["s0"].output == again.steps["s0"].output == "in time"
    assert again.steps["s0"].attempt == 2


async def test_a_worker_learns_that_its_lease_was_lost_and_asks_its_handler_to_stop() -> None:
    reasons: list[str | None] = []

    async def work(ctx: StepContext) -> None:
        if ctx.attempt == 1:
            await ctx.cancelled.wait()
            reasons.append(ctx.cancelled.reason)

    store = one_store()
    async with running(chain("Work"), {"Work": work}, store=store, lease_seconds=30, heartbeat_seconds=10) as flows:
        run = await flows.trigger(FLOW_ID)
        await asyncio.sleep(1)
        row = store(flows._clock)._runs[run.run_id].steps["s0"]
        row.state = row.state._replace(owner="somebody else")
        await asyncio.sleep(20)
    assert reasons == ["the lease was lost; another worker may run the step"]


async def test_steps_whose_attempts_are_lost_again_and_again_fail() -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    async with running(
        chain("Work"),
        {"Work": work},
        lease_seconds=10,
        heartbeat_seconds=9.99,
        max_lost_attempts=3,
        cancel_grace_seconds=1,
    ) as flows:
        run = await flows.trigger(FLOW_ID)
        task = asyncio.ensure_future(run.wait())
        while not task.done():
            flows._engine._leases._held.clear()
            await asyncio.sleep(1)
        result = task.result()
    assert result.status is RunStatus.FAILED
    assert result.steps["s0"].attempt == 3
    assert result.steps["s0"].error is not None
    assert result.steps["s0"].error["type"] == "WorkerLost"


async def test_stopping_waits_for_running_handlers_and_leaves_their_successors_to_others() -> None:
    ended: list[float] = []

    async def work() -> None:
        await asyncio.sleep(5)
        ended.append(seconds())

    store = one_store()
    flows = orchestrator(chain(*["Work"] * 20), {"Work": work}, store=store)
    await flows.start()
    run = await flows.trigger(FLOW_ID)
    await asyncio.sleep(1)
    await flows.stop()
    assert ended == [pytest.approx(5)]
    assert seconds() == pytest.approx(5)
    steps = {step.key: step.status for step in await store(flows._clock).list_steps(run.run_id)}
    assert steps == {"s0": StepStatus.SUCCEEDED, "s1": StepStatus.READY}


async def test_a_step_that_outlives_the_drain_is_handed_back_and_taken_at_once() -> None:
    store = one_store()
    attempts: list[tuple[int, float]] = []

    async def work(ctx: StepContext) -> None:
        attempts.append((ctx.attempt, seconds()))
        if ctx.attempt == 1:
            await asyncio.Event().wait()

    first = orchestrator(chain("Work"), {"Work": work}, store=store, drain_seconds=3, lease_seconds=1000)
    await first.start()
    run = await first.trigger(FLOW_ID)
    await asyncio.sleep(1)
    await first.stop()
    assert seconds() == pytest.approx(4)
    async with orchestrator(chain("Work"), {"Work": work}, store=store) as second:
        assert (await second.wait(run.run_id)).succeeded
    assert attempts == [(1, 0), (2, pytest.approx(4))]


async def test_the_result_of_a_handler_is_not_lost_when_the_worker_is_stopped_while_it_is_committed() -> None:
    store = one_store(BrittleStore)

    async def work() -> str:
        brittle.seconds = 10
        return "done"

    flows = orchestrator(chain("Work", "Work"), {"Work": work}, store=store, drain_seconds=1)
    brittle: Any = store(flows._clock)
    await flows.start()
    run = await flows.trigger(FLOW_ID)
    await asyncio.sleep(1)
    await flows.stop()
    steps = {step.key: (step.status, step.owner) for step in await brittle.list_steps(run.run_id)}
    assert steps["s0"][0] is StepStatus.SUCCEEDED
    assert steps["s1"] == (StepStatus.READY, None)


async def test_what_a_trigger_started_is_run_although_its_caller_has_gone_away() -> None:
    store = one_store(BrittleStore)
    ran = Counter[str]()

    async def work(ctx: StepContext) -> None:
        ran[ctx.step_key] += 1

    flows = orchestrator(chain("Work"), {"Work": work}, store=store, lease_seconds=1000)
    brittle: Any = store(flows._clock)
    brittle.seconds = 5
    async with flows:
        caller = asyncio.ensure_future(flows.trigger(FLOW_ID))
        await asyncio.sleep(1)
        caller.cancel()
        await asyncio.sleep(60)
        page = await flows.list_runs()
    assert [run.status for run in page.runs] == [RunStatus.SUCCEEDED]
    assert ran == {"s0": 1}


async def test_whoever_waits_is_told_when_the_engine_stops() -> None:
    flows = orchestrator({"a": Step(type="Delay", inputs={"seconds": 1000})}, {})
    await flows.start()
    run = await flows.trigger(FLOW_ID)
    waiting = asyncio.ensure_future(run.wait())
    await asyncio.sleep(1)
    await flows.stop()
    with pytest.raises(StorageUnavailable, match="stopped before run"):
        await waiting
