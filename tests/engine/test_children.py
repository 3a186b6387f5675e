"""Runs that start other runs, by two engines on a store whose commits fail, or happen without anybody being told."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from random import Random
from uuid import UUID

import pytest

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, ForEach, RetryPolicy, RunStatus, Step
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, BatchResult, RunFilter
from floworch.errors import CommitUnclear, InvalidTransition, StorageUnavailable
from floworch.runtimes.asyncio import AsyncioRuntime
from floworch.testing.clock import VirtualClock
from tests.engine.workbench import SharedMemory

RETRY = RetryPolicy(max_attempts=4, backoff="fixed", initial=1, jitter=False)
CHILD = FlowDefinition(
    id=UUID(int=2),
    name="Child",
    manifest=FlowManifest(
        steps={
            "wait": Step(type="Delay", inputs={"seconds": 1}),
            "work": Step(type="Work", run_after=["wait"], inputs={"n": "@triggerBody()"}),
        }
    ),
)
PARENT = FlowDefinition(
    id=UUID(int=1),
    name="Parent",
    manifest=FlowManifest(
        steps={
            "each": ForEach(
                for_each="@range(0, 12)",
                concurrency_limit=5,
                steps={"call": Step(type="RunFlow", retry=RETRY, inputs={"flow": "Child", "body": "@item()"})},
            ),
            "alone": Step(type="RunFlow", run_after=["each"], inputs={"flow": "Child", "body": 99, "wait": False}),
        }
    ),
)


class TroubledStore(SharedMemory):
    """A few commits fail; a few more happen, and their answers get lost."""

    def __init__(self, clock: Clock, chance: Random) -> None:
        super().__init__(clock)
        self._chance = chance
        self.is_calm = False

    async def commit(self, batch: Batch) -> BatchResult:
        trouble = 0.5 if self.is_calm else self._chance.random()
        await asyncio.sleep(self._chance.uniform(0.0, 0.05))
        if trouble < 0.1:
            raise StorageUnavailable("the store is away for a moment")
        result = await super().commit(batch)
        if trouble > 0.85:
            raise CommitUnclear("the connection broke before the answer came")
        return result


class World:
    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.store = TroubledStore(self.clock, self.chance)
        self.failures: dict[int, int] = {3: 1, 7: 2}
        """Item → runs that fail because of it before one succeeds."""

    def engine(self) -> FlowOrchestrator:
        async def work(n: int) -> int:
            if self.failures.get(n, 0):
                self.failures[n] -= 1
                raise ValueError("not this time")
            return n * 10

        builder = FlowOrchestrator.builder().use_storage(lambda _: self.store).use_runtime(lambda: AsyncioRuntime(4))
        builder.add_flow(PARENT, CHILD).add_handlers("Work", work).use_clock(self.clock)
        return builder.configure(lease_seconds=6, heartbeat_seconds=2, poll_interval_seconds=1).build()

    async def start(self, engine: FlowOrchestrator) -> UUID:
        while True:
            try:
                return (await engine.trigger(PARENT, idempotency_key="once")).run_id
            except StorageUnavailable:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("seed", range(12))
async def test_every_attempt_has_one_child_and_every_parent_hears_of_it(seed: int) -> None:
    world = World(seed)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(world.engine()) for _ in range(2)]
        result = await second.wait(await world.start(first), timeout=600)
        world.store.is_calm = True
        children = (await first.list_runs(parent=result.run_id, limit=100)).runs
        ends = [(await second.wait(run.id, timeout=600)).status for run in children]

    attempts = sum(step.attempt for key, step in result.steps.items() if key.endswith((".call", "alone")))
    lost = sum(event.type == "step.lost" for event in await world.store.list_events(result.run_id, 0, 10_000))
    assert result.succeeded
    assert result.steps["each"].output == [n * 10 for n in range(12)]
    assert attempts - lost - _released(result.run_id, world) <= len(children) <= attempts
    assert ends.count(RunStatus.FAILED) >= 3
    assert (await world.store.due(world.clock.now(), 10)).children == []


def _released(run_id: UUID, world: World) -> int:
    return sum(fact["type"] == "step.released" for fact in world.store._runs[run_id].history)


@pytest.mark.parametrize("seed", range(12))
async def test_no_child_outlives_a_cancelled_parent(seed: int) -> None:
    world = World(seed)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(world.engine()) for _ in range(2)]
        run_id = await world.start(first)
        await asyncio.sleep(world.chance.uniform(0.0, 3.0))
        while True:
            try:
                await second.cancel(run_id, "enough")
            except StorageUnavailable:
                await asyncio.sleep(0.1)
                continue
            except InvalidTransition:
                pass  # the answer to an earlier one was lost
            break
        result = await first.wait(run_id, timeout=600)

        page = await world.store.list_runs(RunFilter(parent_run_id=run_id), 100)

    assert result.status is RunStatus.CANCELLED
    assert result.run.ended_at is not None
    assert all(run.ended_at is not None and run.ended_at <= result.run.ended_at for run in page.runs)
