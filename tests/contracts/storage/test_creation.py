"""New runs, and the one run that an idempotency key has."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from floworch.core.machine.progress import LoopProgress
from floworch.core.machine.state import SkipKind, StepState, WaitKind
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.core.ports.storage import Batch, Outcome, Storage
from tests.contracts.storage.builders import (
    FLOW,
    START,
    WORKER,
    advance,
    claim,
    create,
    creation,
    insert,
    run_id,
    state,
    stop,
)

FULL = StepState(
    status=StepStatus.PENDING,
    attempt=3,
    failures=2,
    lost=1,
    due_at=START + timedelta(microseconds=1),
    wait=WaitKind.RETRY,
    waiting_since=START - timedelta(days=400),
    reason="der Server schläft 😴",
    owner="worker-9",
    ready_at=START - timedelta(seconds=2),
    started_at=START - timedelta(seconds=1),
    ended_at=START,
)


async def test_a_new_run_is_at_revision_one(storage: Storage) -> None:
    assert await create(storage) == [run_id(1)]
    assert (await storage.load([run_id(1)]))[run_id(1)].revision == 1


async def test_a_new_run_loads_as_it_was_created(storage: Storage) -> None:
    new = creation(deadline=START + timedelta(hours=1), source=run_id(77), key="k")
    await create(storage, new)
    found = (await storage.load([run_id(1)]))[run_id(1)]
    assert found.facts == new.facts_of_run
    assert (found.status, found.deadline, found.stop, found.ended_at) == (RunStatus.RUNNING, new.deadline, None, None)
    assert found.steps == {"a": state()}


async def test_a_run_may_be_created_ended_and_stopped(storage: Storage) -> None:
    request = stop(StopKind.TIMED_OUT, None, START)
    await create(storage, creation(status=RunStatus.SKIPPED, ended_at=START, stop=request))
    found = (await storage.load([run_id(1)]))[run_id(1)]
    assert (found.status, found.ended_at, found.stop) == (RunStatus.SKIPPED, START, request)


@pytest.mark.parametrize(
    "stored",
    [
        FULL,
        state(),
        state(StepStatus.SKIPPED, skip=SkipKind.WHEN_FALSE, reason="x > 1 is false", ended_at=START),
        state(StepStatus.RUNNING, 1, progress=LoopProgress(5, 4, 1, 1, 1, first_failure="loop.1.b"), started_at=START),
        state(StepStatus.RUNNING, 1, progress=LoopProgress(0)),
    ],
    ids=["everything", "ready", "skipped", "loop", "empty loop"],
)
async def test_a_step_state_comes_back_as_it_was(storage: Storage, stored: StepState) -> None:
    await create(storage, creation(steps={"a": insert(stored)}))
    assert (await storage.load([run_id(1)]))[run_id(1)].steps == {"a": stored}


async def test_instants_come_back_aware_in_utc_with_microseconds(storage: Storage) -> None:
    await create(storage, creation(started_at=START))
    found = (await storage.load([run_id(1)]))[run_id(1)].facts.started_at
    assert (found, found.utcoffset(), found.microsecond) == (START, timedelta(0), 123456)


async def test_unknown_runs_are_left_out_of_a_load(storage: Storage) -> None:
    await create(storage)
    assert set(await storage.load([run_id(1), run_id(2)])) == {run_id(1)}


async def test_many_runs_load_at_once(storage: Storage) -> None:
    await create(storage, *(creation(number) for number in range(1, 701)))
    assert len(await storage.load([run_id(number) for number in range(1, 701)])) == 700


async def test_a_wide_run_is_created_whole(storage: Storage) -> None:
    steps = {f"loop.{number}.a": insert(state()) for number in range(3_000)}
    await create(storage, creation(steps=steps))
    assert set((await storage.load([run_id(1)]))[run_id(1)].steps) == set(steps)


async def test_what_was_loaded_does_not_change_with_the_store(storage: Storage) -> None:
    await create(storage)
    before = await storage.load([run_id(1)])
    await storage.commit(Batch(claims=[claim()]))
    assert before[run_id(1)].steps == {"a": state()}


async def test_changing_what_was_loaded_does_not_change_the_store(storage: Storage) -> None:
    await create(storage)
    (await storage.load([run_id(1)]))[run_id(1)].steps.clear()
    assert (await storage.load([run_id(1)]))[run_id(1)].steps == {"a": state()}


async def test_an_empty_batch_is_allowed(storage: Storage) -> None:
    result = await storage.commit(Batch())
    assert (result.creations, result.advances, result.claims) == ([], [], [])


async def test_a_batch_answers_in_its_order(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    result = await storage.commit(
        Batch(
            creations=[creation(9), creation(8)],
            advances=[advance(1, revision=7)],
            claims=[claim(2, "nonesuch"), claim(2)],
        )
    )
    assert result.creations == [run_id(9), run_id(8)]
    assert result.advances == [Outcome.CONFLICT]
    assert result.claims == [Outcome.CONFLICT, Outcome.DONE]


# -- idempotency keys


async def test_a_key_is_found_again(storage: Storage) -> None:
    await create(storage, creation(1, key="order-7"))
    assert await storage.find_run_by_key(FLOW, "order-7") == run_id(1)


async def test_the_second_run_with_a_key_is_not_written(storage: Storage) -> None:
    await create(storage, creation(1, key="k"))
    assert await create(storage, creation(2, key="k")) == [run_id(1)]
    assert await storage.load([run_id(2)]) == {}
    assert await storage.list_events(run_id(2)) == []
    assert await storage.list_steps(run_id(2)) == []


async def test_of_two_runs_with_one_key_in_a_batch_the_first_wins(storage: Storage) -> None:
    assert await create(storage, creation(2, key="k"), creation(1, key="k")) == [run_id(2), run_id(2)]
    assert set(await storage.load([run_id(1), run_id(2)])) == {run_id(2)}


async def test_a_lost_key_does_not_disturb_its_neighbours(storage: Storage) -> None:
    await create(storage, creation(1, key="k"))
    answers = await create(storage, creation(2), creation(3, key="k"), creation(4, key="other"))
    assert answers == [run_id(2), run_id(1), run_id(4)]
    assert set(await storage.load([run_id(2), run_id(3), run_id(4)])) == {run_id(2), run_id(4)}


async def test_a_key_belongs_to_its_flow(storage: Storage) -> None:
    other = UUID(int=5)
    assert await create(storage, creation(1, key="k"), creation(2, key="k", flow_id=other)) == [run_id(1), run_id(2)]
    assert await storage.find_run_by_key(other, "k") == run_id(2)


async def test_runs_without_a_key_never_collide(storage: Storage) -> None:
    assert await create(storage, creation(1), creation(2)) == [run_id(1), run_id(2)]


@pytest.mark.parametrize("other", ["K", "k ", " k", "ḱ", "k\n"])
async def test_keys_differ_by_every_character(storage: Storage, other: str) -> None:
    assert await create(storage, creation(1, key="k"), creation(2, key=other)) == [run_id(1), run_id(2)]


async def test_an_unknown_key_has_no_run(storage: Storage) -> None:
    assert await storage.find_run_by_key(FLOW, "nonesuch") is None


async def test_a_key_stays_taken_after_its_run_has_ended(storage: Storage) -> None:
    await create(storage, creation(1, key="k", status=RunStatus.FAILED, ended_at=START))
    assert await create(storage, creation(2, key="k")) == [run_id(1)]


async def test_one_of_a_hundred_racing_creations_wins(storage: Storage) -> None:
    answers = await asyncio.gather(*(create(storage, creation(number, key="k")) for number in range(1, 101)))
    assert len({answer for [answer] in answers}) == 1
    assert sum((await storage.count_runs()).values()) == 1


async def test_a_lease_is_owned_by_the_worker_that_commits(storage: Storage) -> None:
    started = state(StepStatus.RUNNING, 1, owner=WORKER)
    await create(storage, creation(steps={"a": insert(started, lease_seconds=30.0)}))
    assert (await storage.load([run_id(1)]))[run_id(1)].steps["a"] == started._replace(owner=WORKER)
