"""Runs that ended long ago can be deleted, whole and without harm to any other."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.ports.storage import Creation, Deletion, Outcome, RunFilter, Storage
from tests.contracts.storage.builders import (
    FLOW,
    START,
    advance,
    commit_advance,
    create,
    creation,
    insert,
    overwrite,
    run_id,
    state,
)

DAY = timedelta(days=1)
LONG_AGO = START - 1000 * DAY
LATER = START + 10 * DAY
FINAL = [status for status in RunStatus if status.is_final]
LARGE = Payload(f'"{"x" * 40_000}"')


def ended(
    number: int = 1, *, days: int = 0, status: RunStatus = RunStatus.SUCCEEDED, key: str | None = None
) -> Creation:
    """A run that started and ended that many days after ``START``."""
    at = START + days * DAY
    steps = {"a": insert(state(StepStatus.SUCCEEDED, 1, started_at=at, ended_at=at), output=LARGE)}
    return creation(number, status=status, ended_at=at, started_at=at, steps=steps, key=key)


async def delete(storage: Storage, *, before: int = 10, limit: int = 100, keys_before: int = 10) -> Deletion:
    """Delete what ended before that many days after ``START``."""
    return await storage.delete_runs(START + before * DAY, limit, START + keys_before * DAY)


async def left(storage: Storage) -> set[int]:
    page = await storage.list_runs(RunFilter(), 1000)
    return {run.id.int - run_id(0).int for run in page.runs}


async def test_runs_that_ended_before_are_deleted_and_later_ones_stay(storage: Storage) -> None:
    await create(storage, *(ended(n, days=n) for n in range(1, 6)))
    assert await storage.count_ended(START + 3 * DAY) == 2
    assert await delete(storage, before=3) == Deletion(runs=2, keys=0)
    assert await left(storage) == {3, 4, 5}
    assert await storage.count_ended(START + 3 * DAY) == 0


@pytest.mark.parametrize("status", FINAL)
async def test_every_kind_of_end_counts(storage: Storage, status: RunStatus) -> None:
    await create(storage, ended(status=status))
    assert (await delete(storage)).runs == 1


async def test_a_run_that_goes_on_is_never_deleted_however_old(storage: Storage) -> None:
    await create(storage, creation(1, started_at=LONG_AGO))
    assert await storage.count_ended(LATER) == 0
    assert (await delete(storage)).runs == 0
    assert await left(storage) == {1}


async def test_a_run_that_ended_and_goes_on_again_is_not_deleted(storage: Storage) -> None:
    await create(storage, ended(1))
    assert await commit_advance(storage, advance(1, 1)) is Outcome.DONE
    assert (await delete(storage)).runs == 0


async def test_a_run_that_started_before_but_ended_after_stays(storage: Storage) -> None:
    await create(storage, creation(1, status=RunStatus.FAILED, started_at=LONG_AGO, ended_at=START + 5 * DAY))
    assert (await delete(storage, before=5)).runs == 0
    assert (await delete(storage, before=6)).runs == 1


async def test_nothing_is_left_of_a_deleted_run(storage: Storage) -> None:
    await create(storage, ended(1), ended(2, days=20))
    await delete(storage)
    gone, output = run_id(1), PayloadRef(PayloadKind.OUTPUT, "a")
    assert await storage.get_run(gone) is None
    assert await storage.load([gone]) == {}
    assert await storage.list_steps(gone) == []
    assert await storage.list_events(gone) == []
    assert await storage.load_payloads(gone, [output]) == {output: None}
    assert (await storage.load_payloads(run_id(2), [output]))[output] == LARGE
    assert len(await storage.list_steps(run_id(2))) == len(await storage.list_events(run_id(2))) == 1


async def test_a_deleted_run_cannot_be_changed_any_more(storage: Storage) -> None:
    await create(storage, ended())
    await delete(storage)
    change = overwrite((StepStatus.SUCCEEDED, 1), state(StepStatus.READY, 1))
    assert await commit_advance(storage, advance(1, 1, {"a": change})) is Outcome.CONFLICT
    assert await storage.list_steps(run_id(1)) == []


async def test_no_more_runs_go_than_asked_for(storage: Storage) -> None:
    await create(storage, *(ended(n) for n in range(1, 8)))
    assert [(await delete(storage, limit=3)).runs for _ in range(4)] == [3, 3, 1, 0]


async def test_an_old_key_goes_with_its_run(storage: Storage) -> None:
    await create(storage, ended(1, key="k"))
    await delete(storage)
    assert await storage.find_run_by_key(FLOW, "k") is None
    assert await create(storage, creation(2, key="k")) == [run_id(2)]


async def test_a_young_key_outlives_its_run(storage: Storage) -> None:
    await create(storage, ended(1, days=5, key="k"))
    assert await delete(storage, keys_before=5) == Deletion(runs=1, keys=0)
    assert await storage.find_run_by_key(FLOW, "k") == run_id(1)
    assert await create(storage, creation(2, key="k")) == [run_id(1)]


async def test_a_key_that_outlived_its_run_goes_when_it_is_old(storage: Storage) -> None:
    await create(storage, ended(1, days=5, key="k"), ended(2, days=8, key="l"), ended(3, days=20, key="m"))
    await delete(storage, keys_before=5)
    assert await delete(storage, keys_before=8) == Deletion(runs=0, keys=1)
    assert await storage.find_run_by_key(FLOW, "k") is None
    assert await storage.find_run_by_key(FLOW, "l") == run_id(2)
    assert await storage.find_run_by_key(FLOW, "m") == run_id(3)


async def test_no_more_outlived_keys_go_than_asked_for(storage: Storage) -> None:
    await create(storage, *(ended(n, key=f"k{n}") for n in range(5)))
    await delete(storage, keys_before=0)
    assert [(await delete(storage, limit=2)).keys for _ in range(4)] == [2, 2, 1, 0]


async def test_a_key_of_a_run_that_stays_stays(storage: Storage) -> None:
    await create(storage, creation(1, started_at=LONG_AGO, key="k"))
    await delete(storage)
    assert await storage.find_run_by_key(FLOW, "k") == run_id(1)


async def test_two_that_delete_at_once_do_not_get_in_each_others_way(storage: Storage, neighbour: Storage) -> None:
    await create(storage, *(ended(n, key=f"k{n}") for n in range(1, 101)))
    done = await asyncio.gather(*(delete(store, limit=20) for store in (storage, neighbour) * 8))
    assert sum(each.runs for each in done) == 100
    assert await left(storage) == set()


async def test_keys_that_are_deleted_while_they_are_asked_for_answer_or_start_a_run(
    storage: Storage, neighbour: Storage
) -> None:
    for number in range(1, 41):
        await create(storage, ended(number, key="k"))
        await delete(storage, keys_before=0)
        again = creation(1000 + number, status=RunStatus.SUCCEEDED, started_at=START, ended_at=START, key="k", steps={})
        [[owner], _] = await asyncio.gather(create(storage, again), delete(neighbour))
        assert owner in (run_id(number), run_id(1000 + number))
        await delete(storage)
        assert await storage.find_run_by_key(FLOW, "k") is None
