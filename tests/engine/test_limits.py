"""How an engine finds limited work: at once when there is room for it, and not over and over while there is none."""

from __future__ import annotations

import asyncio
from typing import Any

from floworch import Limit, Rate, RetryPolicy, Step
from floworch.core.ports.clock import Clock
from floworch.core.ports.limits import LimitUse
from floworch.core.ports.storage import ReadyStep
from tests.engine.workbench import SharedMemory, flow_of, orchestrator, running, seconds

ONE = Limit(concurrency=1)


class CountingStore(SharedMemory):
    """Counts how often somebody looks for work, and asks for limits."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.looks = self.questions = 0

    async def ready(self, *asked: Any, **more: Any) -> list[ReadyStep]:
        self.looks += 1
        return await super().ready(*asked, **more)

    async def limit_use(self, *, waiting: bool = False) -> LimitUse:
        self.questions += 1
        return await super().limit_use(waiting=waiting)


async def takes_a_second() -> None:
    await asyncio.sleep(1.0)


async def test_what_waits_for_a_slot_starts_when_it_is_given_back() -> None:
    async with running(flow_of({"a": Step(type="Slow")}, limit=ONE), {"Slow": takes_a_second}) as flows:
        began = seconds()
        runs = [await flows.trigger("Tested") for _ in range(5)]
        for run in runs:
            await run.wait()
        assert seconds() - began < 5.2, "one after the other, without a pause in between"


async def test_a_rate_that_is_exhausted_is_waited_for_and_not_asked_again_and_again() -> None:
    stores: list[CountingStore] = []
    flow = flow_of({"a": Step(type="Quick")}, limit=Limit(rate=Rate(count=1, per_seconds=100)))
    async with running(flow, {"Quick": at_once}, store=lambda clock: kept(stores, clock)) as flows:
        began = seconds()
        runs = [await flows.trigger("Tested") for _ in range(3)]
        for run in runs:
            await run.wait()
        assert 200.0 <= seconds() - began < 202.0
    assert stores[0].looks < 300, "no more than a poll a second"


async def test_a_rate_that_is_raised_lets_what_waits_start_by_the_new_one() -> None:
    flow = flow_of({"a": Step(type="Quick")}, limit=Limit(rate=Rate(count=1, per_seconds=3600)))
    async with running(flow, {"Quick": at_once}) as flows:
        runs = [await flows.trigger("Tested") for _ in range(3)]
        await asyncio.sleep(10)
        began = seconds()
        await flows.limits.set("flow:Tested", rate=Rate(count=1, per_seconds=5))
        for run in runs:
            await run.wait()
        assert seconds() - began < 11


async def test_a_process_takes_over_the_slots_of_one_that_has_no_room() -> None:
    stores: list[CountingStore] = []
    flow = flow_of({"a": Step(type="Slow")}, limit=Limit(concurrency=2))
    handlers = {"Slow": takes_a_second}
    store = SharedMemoryOf(stores)
    one = orchestrator(flow, handlers, store=store, concurrency=1)
    other = orchestrator(flow_of({"a": Step(type="Slow")}, limit=Limit(concurrency=2)), handlers, store=store)
    async with one, other:
        began = seconds()
        runs = [await one.trigger("Tested") for _ in range(6)]
        for run in runs:
            await run.wait()
        assert seconds() - began < 10.0


async def test_where_nothing_is_limited_limits_are_asked_for_now_and_then_only() -> None:
    stores: list[CountingStore] = []
    retry = RetryPolicy(max_attempts=40, backoff="fixed", initial=1.0, jitter=False)
    steps = {"a": Step(type="Broken", retry=retry)}
    async with running(flow_of(steps), {"Broken": broken}, store=lambda clock: kept(stores, clock)) as flows:
        await (await flows.trigger("Tested")).wait()
    assert stores[0].looks > 35
    assert stores[0].questions < 10


async def test_a_key_is_settled_when_the_run_starts() -> None:
    flow = flow_of({"a": Step(type="Quick")}, concurrency_key="@triggerBody().n", key_limit=ONE)
    async with running(flow, {"Quick": at_once}) as flows:
        keys: list[str | None] = []
        for value in (7, True, "seven", None):
            run = await flows.trigger("Tested", body={"n": value})
            stored: Any = (await flows.storage.load([run.run_id]))[run.run_id]
            keys.append(stored.facts.concurrency_key)
    assert keys == ["7", "true", "seven", None]


async def at_once() -> None:
    """On the event loop: virtual time does not wait for threads."""


async def broken() -> None:
    raise ConnectionError("broken")


def kept(stores: list[CountingStore], clock: Clock) -> CountingStore:
    stores.append(CountingStore(clock))
    return stores[-1]


class SharedMemoryOf:
    """Gives every orchestrator the same store."""

    def __init__(self, stores: list[CountingStore]) -> None:
        self._stores = stores

    def __call__(self, clock: Clock) -> CountingStore:
        return self._stores[0] if self._stores else kept(self._stores, clock)
