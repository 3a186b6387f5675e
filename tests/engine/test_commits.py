from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from floworch import ForEach, RunStatus, Step, StepContext, StepStatus, StorageUnavailable
from floworch.core.model.records import FlowVersion
from floworch.core.ports.storage import Batch, DueWork
from floworch.errors import StorageError
from tests.engine.stores import BrittleStore
from tests.engine.workbench import FLOW_ID, SharedMemory, chain, orchestrator, running, seconds


async def nothing() -> None:
    return


def brittle(flows: Any) -> BrittleStore:
    store = flows._store
    assert isinstance(store, BrittleStore)
    return store


async def test_a_thousand_concurrent_triggers_with_one_key_start_one_run() -> None:
    ran = Counter[str]()

    async def work(ctx: StepContext) -> None:
        ran[ctx.step_key] += 1

    async with running(chain("Work"), {"Work": work}) as flows:
        started = await asyncio.gather(*(flows.trigger(FLOW_ID, idempotency_key="k") for _ in range(1000)))
        await started[0].wait()
        page = await flows.list_runs()
    assert {run.run_id for run in started} == {run.id for run in page.runs}
    assert sum(not run.duplicate for run in started) == 1
    assert ran == {"s0": 1}


async def test_a_wide_loop_is_claimed_in_batches_and_within_the_slots() -> None:
    busy = most = 0

    async def work() -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(1)
        busy -= 1

    loop = ForEach(for_each=list(range(200)), concurrency_limit=200, steps={"w": Step(type="Work")})
    async with running({"l": loop}, {"Work": work}, concurrency=50, store=BrittleStore) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
        commits = brittle(flows).commits
    assert result.succeeded
    assert most == 50
    assert seconds() == pytest.approx(4)
    assert commits < 30


async def test_a_chain_of_steps_costs_one_commit_each() -> None:
    async with running(chain(*["Work"] * 10), {"Work": nothing}, store=BrittleStore) as flows:
        await (await flows.trigger(FLOW_ID)).wait()
        assert brittle(flows).commits == 11


async def test_only_the_last_step_of_a_chain_changes_what_its_run_is() -> None:
    changes: list[bool] = []

    def note(batch: Batch) -> bool:
        changes.extend(advance.changes_run for advance in batch.advances)
        return False

    async with running(chain(*["Work"] * 5), {"Work": nothing}, store=BrittleStore) as flows:
        brittle(flows).is_poisoned = note
        await (await flows.trigger(FLOW_ID)).wait()
    assert changes == [False] * 4 + [True]


async def test_a_change_that_cannot_be_stored_fails_alone() -> None:
    def has_poison(batch: Batch) -> bool:
        return any(each.body is not None and each.body.value == "poison" for each in batch.creations)

    async with running(chain("Work"), {"Work": nothing}, store=BrittleStore) as flows:
        brittle(flows).is_poisoned = has_poison
        bodies = ["good", "poison", "fine"]
        answers = await asyncio.gather(*(flows.trigger(FLOW_ID, body=body) for body in bodies), return_exceptions=True)
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [StorageError]
    assert isinstance(answers[1], StorageError)


async def test_results_are_kept_while_the_store_is_away_and_committed_when_it_is_back() -> None:
    ran = Counter[str]()

    async def work(ctx: StepContext) -> None:
        ran[ctx.step_key] += 1
        await asyncio.sleep(1)

    async with running(chain("Work", "Work"), {"Work": work}, store=BrittleStore) as flows:
        run = await flows.trigger(FLOW_ID)
        store = brittle(flows)
        store.is_down = True
        await asyncio.sleep(20)
        was_healthy = flows.is_healthy
        with pytest.raises(StorageUnavailable, match="switched off"):
            await flows.trigger(FLOW_ID)
        store.is_down = False
        assert (await run.wait()).succeeded
        assert (was_healthy, flows.is_healthy) == (False, True)
    assert ran == {"s0": 1, "s1": 1}


async def test_a_step_whose_result_could_not_be_kept_long_enough_runs_again() -> None:
    attempts: list[int] = []

    async def work(ctx: StepContext) -> None:
        attempts.append(ctx.attempt)

    async with running(chain("Work"), {"Work": work}, store=BrittleStore, storage_patience_seconds=5) as flows:
        run = await flows.trigger(FLOW_ID)
        store = brittle(flows)
        store.is_down = True
        await asyncio.sleep(60)
        store.is_down = False
        result = await run.wait()
    assert result.succeeded
    assert attempts == [1, 2]


async def test_a_retry_by_hand_that_comes_with_the_failure_in_one_batch_is_decided_after_it() -> None:
    attempts: list[int] = []

    async def work(ctx: StepContext) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("no luck")

    async with running({**chain("Work", "Log")}, {"Work": work, "Log": nothing}, store=BrittleStore) as flows:
        store = brittle(flows)
        run = await flows.trigger(FLOW_ID)
        store.seconds = 1  # the failure waits in the queue behind another commit; the retry joins it
        other = asyncio.ensure_future(flows.trigger(FLOW_ID, idempotency_key="other"))
        await asyncio.sleep(0.5)
        retry = asyncio.ensure_future(run.retry("s0"))
        await other
        await retry
        store.seconds = 0
        result = await run.wait()
    assert result.status is RunStatus.SUCCEEDED
    assert {key: step.status for key, step in result.steps.items()} == {
        "s0": StepStatus.SUCCEEDED,
        "s1": StepStatus.SUCCEEDED,
    }


async def test_only_one_of_several_concurrent_cancels_is_accepted_and_the_others_hear_why() -> None:
    """The first is refused on a stale state; the next must not be told that the run does not exist."""
    async with running({"a": Step(type="Delay", inputs={"seconds": 100})}, {}, store=BrittleStore) as flows:
        run = await flows.trigger(FLOW_ID)
        brittle(flows).seconds = 1
        answers = await asyncio.gather(*(run.cancel(str(n)) for n in range(5)), return_exceptions=True)
        result = await run.wait()
    assert result.status is RunStatus.CANCELLED
    assert sum(answer is None for answer in answers) == 1
    assert all("already" in str(answer) for answer in answers if answer is not None)


async def test_work_is_not_looked_for_in_circles_while_only_reading_is_possible() -> None:
    class ReadOnlyForAWhile(BrittleStore):
        looks = 0

        async def due(self, now: datetime, limit: int) -> DueWork:
            self.looks += 1
            if self.is_down and self.looks > 1000:
                raise StorageUnavailable("this ends the circle, if there is one")
            return await super().due(now, limit)

    loop = ForEach(for_each=list(range(20)), concurrency_limit=20, steps={"w": Step(type="Work")})

    async def work() -> None:
        await asyncio.sleep(1)

    async with running({"l": loop}, {"Work": work}, concurrency=2, store=ReadOnlyForAWhile) as flows:
        run = await flows.trigger(FLOW_ID)
        store = brittle(flows)
        assert isinstance(store, ReadOnlyForAWhile)
        store.is_down = True
        await asyncio.sleep(30)
        looks = store.looks
        store.is_down = False
        assert (await run.wait()).succeeded
    assert looks < 100


async def test_a_run_starts_although_a_loop_reads_the_output_of_one_that_ended_at_once() -> None:
    """The start decides it all: the body of the first loop has nothing to do, and the second goes over its output."""
    body: dict[str, Step | ForEach] = {
        "skipped": Step(type="Work", when="false"),
        "nothing": ForEach(for_each=[], steps=chain("Work")),
    }
    steps = {
        "first": ForEach(for_each=[1, 2], steps=body, concurrency_limit=2),
        "second": ForEach(for_each="@steps('first').output", steps=chain("Work"), run_after=["first"]),
    }
    async with running(steps, {"Work": nothing}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
    assert result.succeeded
    assert result.steps["first"].output == [{"skipped": None, "nothing": []}] * 2


class ShylyStarting(SharedMemory):
    """Cannot be reached at first when an engine begins to work."""

    async def list_versions(self, flow_ids: frozenset[UUID]) -> list[FlowVersion]:
        if not self._has_refused:
            self._has_refused = True
            raise StorageUnavailable("the store cannot be reached")
        return await super().list_versions(flow_ids)

    _has_refused = False


async def test_an_engine_whose_start_is_tried_again_has_one_committer() -> None:
    engine = orchestrator(chain("Work"), {"Work": nothing}, store=ShylyStarting)._engine
    with pytest.raises(StorageUnavailable):
        await engine.start()
    await engine.start()
    assert [task.get_name() for task in asyncio.all_tasks()].count("floworch-committer") == 1
    await engine.stop()
