from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from floworch import FlowOrchestrator, ForEach, Step, StepContext, StorageUnavailable
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, BatchResult
from floworch.errors import StorageError
from tests.engine.stores import BrittleStore
from tests.engine.workbench import FLOW_ID, chain, running, seconds


class TwoAtOnce(BrittleStore):
    """Works on two commits at once, and sees to it that they are about different runs."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.under_way: list[set[UUID]] = []
        self.most = 0

    @property
    def capabilities(self) -> Any:
        return replace(super().capabilities, concurrent_commits=2)

    async def commit(self, batch: Batch) -> BatchResult:
        runs = {each.run_id for each in (*batch.creations, *batch.advances)} | {each.run_id for each in batch.claims}
        assert all(runs.isdisjoint(others) for others in self.under_way)
        self.under_way.append(runs)
        self.most = max(self.most, len(self.under_way))
        try:
            return await super().commit(batch)
        finally:
            self.under_way.remove(runs)


async def nothing() -> None:
    """Takes no time; in a thread it would take some that the virtual clock does not see."""


def store_of(flows: FlowOrchestrator) -> TwoAtOnce:
    store = flows._store
    assert isinstance(store, TwoAtOnce)
    return store


async def trigger_two_in_two_batches(flows: FlowOrchestrator) -> list[asyncio.Future[Any]]:
    triggers: list[asyncio.Future[Any]] = []
    for _ in range(2):
        triggers.append(asyncio.ensure_future(flows.trigger(FLOW_ID)))
        await asyncio.sleep(0.1)
    assert len(store_of(flows).under_way) == 2
    return triggers


async def test_two_batches_are_under_way_at_once_and_never_with_the_same_run() -> None:
    ran = Counter[tuple[UUID, str]]()

    async def work(ctx: StepContext) -> None:
        ran[ctx.run_id, ctx.step_key] += 1

    wide = ForEach(for_each=list(range(10)), concurrency_limit=10, steps=chain("Work", "Work"))
    async with running({"l": wide, **chain("Work", "Work")}, {"Work": work}, store=TwoAtOnce) as flows:
        store = store_of(flows)
        store.seconds = 0.5
        runs = [await asyncio.ensure_future(flows.trigger(FLOW_ID)) for _ in range(5)]
        assert all([(await run.wait()).succeeded for run in runs])
    assert store.most == 2
    assert set(ran.values()) == {1}
    assert len(ran) == 5 * 22


async def test_a_request_does_not_wait_for_the_batch_of_other_runs() -> None:
    async with running(chain("Work"), {"Work": nothing}, store=TwoAtOnce) as flows:
        store_of(flows).seconds = 1
        triggers = await trigger_two_in_two_batches(flows)
        await asyncio.gather(*triggers)
        assert seconds() == pytest.approx(1.1)


async def test_what_comes_at_once_is_shared_by_both_batches() -> None:
    async with running(chain("Work"), {"Work": nothing}, store=TwoAtOnce) as flows:
        store = store_of(flows)
        store.seconds = 1
        triggers = [asyncio.ensure_future(flows.trigger(FLOW_ID)) for _ in range(160)]
        await asyncio.sleep(0.1)
        assert [len(runs) for runs in store.under_way] == [80, 80]
        runs = await asyncio.gather(*triggers)
        assert all([(await run.wait()).succeeded for run in runs])


async def test_both_results_are_kept_when_the_store_goes_away_while_two_batches_are_under_way() -> None:
    ran = Counter[UUID]()

    async def work(ctx: StepContext) -> None:
        ran[ctx.run_id] += 1
        await asyncio.sleep(1)

    async with running(chain("Work", "Work"), {"Work": work}, store=TwoAtOnce) as flows:
        store = store_of(flows)
        first = await flows.trigger(FLOW_ID)
        await asyncio.sleep(0.3)
        second = await flows.trigger(FLOW_ID)
        store.seconds = 0.5
        await asyncio.sleep(1.1)
        assert len(store.under_way) == 2
        store.is_down = True
        await asyncio.sleep(20)
        with pytest.raises(StorageUnavailable):
            await flows.trigger(FLOW_ID)
        store.is_down = False
        assert (await first.wait()).succeeded
        assert (await second.wait()).succeeded
    assert set(ran.values()) == {2}


async def test_a_change_that_cannot_be_stored_fails_alone_while_another_batch_is_under_way() -> None:
    def has_poison(batch: Batch) -> bool:
        return any(each.body is not None and each.body.value == "poison" for each in batch.creations)

    async with running(chain("Work"), {"Work": nothing}, store=TwoAtOnce) as flows:
        store_of(flows).is_poisoned = has_poison
        store_of(flows).seconds = 1
        other = await trigger_two_in_two_batches(flows)
        bodies = ["good", "poison", "fine"]
        answers = await asyncio.gather(*(flows.trigger(FLOW_ID, body=body) for body in bodies), return_exceptions=True)
        await asyncio.gather(*other)
    assert [isinstance(answer, StorageError) for answer in answers] == [False, True, False]


async def test_stopping_waits_for_both_batches() -> None:
    async with running(chain("Work"), {"Work": nothing}, store=TwoAtOnce) as flows:
        store_of(flows).seconds = 1
        triggers = await trigger_two_in_two_batches(flows)
        triggers.append(asyncio.ensure_future(flows.trigger(FLOW_ID)))
        await asyncio.sleep(0.1)
    assert len({(await trigger).run_id for trigger in triggers}) == 3


async def test_a_step_of_a_run_in_a_batch_under_way_is_cancelled_after_it() -> None:
    async with running({"a": Step(type="Delay", inputs={"seconds": 100})}, {}, store=TwoAtOnce) as flows:
        run = await flows.trigger(FLOW_ID)
        store_of(flows).seconds = 1
        answers = await asyncio.gather(*(run.cancel(str(n)) for n in range(5)), return_exceptions=True)
        await run.wait()
    assert sum(answer is None for answer in answers) == 1


async def test_nobody_waits_for_an_answer_when_the_committer_is_cancelled() -> None:
    async with running(chain("Work"), {"Work": nothing}, store=TwoAtOnce) as flows:
        store_of(flows).seconds = 1
        triggers = await trigger_two_in_two_batches(flows)
        task = flows._engine._committer._loop_task
        assert task is not None
        task.cancel()
        answers = await asyncio.gather(*triggers, return_exceptions=True)
        assert all(isinstance(answer, StorageUnavailable) for answer in answers)
        with pytest.raises(asyncio.CancelledError):
            await task
        flows._engine._committer._loop_task = None
