"""Several stores on one database, and a store after a restart."""

from __future__ import annotations

import asyncio

import pytest

from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import Batch, Outcome, Storage
from floworch.errors import StorageUnavailable
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.builders import (
    StillClock,
    advance,
    claim,
    commit_advance,
    commit_claim,
    create,
    creation,
    flow,
    insert,
    overwrite,
    run_id,
    state,
    stop,
)

BODY = PayloadRef(PayloadKind.BODY)
_ONE_OF_TWO = {Outcome.DONE, Outcome.CONFLICT}


async def test_a_neighbour_sees_what_was_committed(storage: Storage, neighbour: Storage) -> None:
    await create(storage)
    assert await neighbour.load([run_id(1)]) == await storage.load([run_id(1)])


async def test_of_two_neighbours_that_advance_a_run_one_wins(storage: Storage, neighbour: Storage) -> None:
    await create(storage)
    outcomes = await asyncio.gather(*(commit_advance(store, advance(1, 1)) for store in (storage, neighbour)))
    assert sorted(outcome.name for outcome in outcomes) == ["CONFLICT", "DONE"]


async def test_neighbours_that_race_for_a_key_agree(storage: Storage, neighbour: Storage) -> None:
    stores = [storage, neighbour] * 50
    answers = await asyncio.gather(*(create(store, creation(n, key="k")) for n, store in enumerate(stores, 1)))
    assert len({answer for [answer] in answers}) == 1
    assert sum((await storage.count_runs()).values()) == 1


async def test_keys_reserved_crosswise_in_two_batches_do_not_deadlock(storage: Storage, neighbour: Storage) -> None:
    numbers = range(1, 51)
    forward = [creation(n, key=f"k{n}") for n in numbers]
    backward = [creation(100 + n, key=f"k{n}") for n in reversed(numbers)]
    first, second = await asyncio.gather(create(storage, *forward), create(neighbour, *backward))
    assert first == list(reversed(second))


async def test_each_step_is_claimed_by_one_of_the_neighbours(storage: Storage, neighbour: Storage) -> None:
    keys = [f"s{n}" for n in range(50)]
    await create(storage, creation(steps={key: insert(state()) for key in keys}))
    first, second = await asyncio.gather(
        storage.commit(Batch(claims=[claim(step_key=key, owner="w1") for key in keys])),
        neighbour.commit(Batch(claims=[claim(step_key=key, owner="w2") for key in reversed(keys)])),
    )
    won = [*first.claims, *reversed(second.claims)]
    assert [won.count(Outcome.DONE), won.count(Outcome.CONFLICT)] == [50, 50]
    assert all({a, b} == _ONE_OF_TWO for a, b in zip(first.claims, reversed(second.claims), strict=True))


async def test_neighbours_that_advance_the_same_runs_in_opposite_order_do_not_deadlock(
    storage: Storage, neighbour: Storage
) -> None:
    numbers = list(range(1, 101))
    await create(storage, *(creation(n) for n in numbers))
    done = overwrite((StepStatus.READY, 0), state(StepStatus.SUCCEEDED, 1))
    first, second = await asyncio.gather(
        storage.commit(Batch(advances=[advance(n, 1, {"a": done}) for n in numbers])),
        neighbour.commit(Batch(advances=[advance(n, 1, {"a": done}) for n in reversed(numbers)])),
    )
    outcomes = list(zip(first.advances, reversed(second.advances), strict=True))
    assert all({a, b} == _ONE_OF_TWO for a, b in outcomes)


async def test_neighbours_that_write_and_read_all_the_time_are_never_refused(
    storage: Storage, neighbour: Storage
) -> None:
    async def work(store: Storage, offset: int) -> None:
        for number in range(offset, offset + 40):
            await create(store, creation(number))
            assert await commit_claim(store, claim(number)) is Outcome.DONE
            assert len(await store.load([run_id(number)])) == 1

    await asyncio.gather(*(work(store, 100 * n) for n, store in enumerate([storage, neighbour] * 3, 1)))
    assert sum((await neighbour.count_runs()).values()) == 240


async def test_neighbours_may_open_a_new_database_at_the_same_time(backend: Backend, clock: StillClock) -> None:
    stores = [backend.make(clock) for _ in range(4)]
    if not stores[0].capabilities.shared_between_processes:
        pytest.skip(f"{backend.name} is not shared between processes")
    await asyncio.gather(*(store.open() for store in stores))
    await create(stores[0])
    assert [len(await store.load([run_id(1)])) for store in stores] == [1, 1, 1, 1]
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_store_that_survives_a_restart_has_everything_afterwards(backend: Backend, clock: StillClock) -> None:
    before = backend.make(clock)
    if not before.capabilities.survives_restart:
        pytest.skip(f"{backend.name} forgets at the end")
    await before.open()
    await before.save_flows([flow(1)])
    await create(before, creation(key="k", body=Payload(f'"{"x" * 100_000}"')))
    await commit_claim(before, claim())
    kept = [await before.load([run_id(1)]), await before.list_events(run_id(1)), await before.list_flows()]
    await before.close()

    after = backend.make(clock)
    await after.open()
    found = [await after.load([run_id(1)]), await after.list_events(run_id(1)), await after.list_flows()]
    assert found == kept
    assert await create(after, creation(2, key="k")) == [run_id(1)]
    assert await after.load_payloads(run_id(1), [BODY]) == {BODY: Payload(f'"{"x" * 100_000}"')}
    await after.close()


async def test_closing_twice_is_safe(backend: Backend, clock: StillClock) -> None:
    store = backend.make(clock)
    await store.open()
    await store.close()
    await store.close()


async def test_closing_waits_for_what_is_under_way(backend: Backend, clock: StillClock) -> None:
    store = backend.make(clock)
    if not store.capabilities.survives_restart:
        pytest.skip(f"{backend.name} forgets at the end")
    await store.open()
    writes = [asyncio.create_task(create(store, creation(n))) for n in range(1, 21)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*writes) == [[run_id(n)] for n in range(1, 21)]


async def test_a_closed_store_says_so(backend: Backend, clock: StillClock) -> None:
    store = backend.make(clock)
    if not store.capabilities.shared_between_processes:
        pytest.skip(f"{backend.name} has nothing to close")
    await store.open()
    await store.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await store.load([run_id(1)])


# -- waking other processes


async def test_a_call_for_help_wakes_the_others_and_not_the_caller(storage: Storage, neighbour: Storage) -> None:
    caller, other = asyncio.Event(), asyncio.Event()
    if not await neighbour.listen("worker-2", other.set):
        pytest.skip("this storage cannot wake other processes")
    await storage.listen("worker-1", caller.set)
    async with asyncio.timeout(30):
        await caller.wait()  # each is woken once when it begins to listen
        await other.wait()
        caller.clear()
        other.clear()
        await storage.commit(Batch(creations=[creation(1)], caller="worker-1"))
        await other.wait()
        assert not caller.is_set()
        await storage.commit(Batch(creations=[creation(2)], caller="worker-3"))
        await caller.wait()


_ROUNDS = 20


async def test_a_stop_and_a_claim_of_neighbours_never_both_have_the_step(storage: Storage, neighbour: Storage) -> None:
    numbers = range(1, _ROUNDS + 1)
    await create(storage, *map(creation, numbers))
    skipped = {"a": overwrite((StepStatus.READY, 0), state(StepStatus.SKIPPED))}
    stopped = [advance(number, 1, skipped, stop=stop()) for number in numbers]
    outcomes = await asyncio.gather(
        *(commit_advance(storage, change) for change in stopped),
        *(commit_claim(neighbour, claim(number)) for number in numbers),
    )
    runs = await storage.load([run_id(number) for number in numbers])
    for number, stops, claims in zip(numbers, outcomes[:_ROUNDS], outcomes[_ROUNDS:], strict=True):
        assert {stops, claims} == {Outcome.DONE, Outcome.CONFLICT}
        run = runs[run_id(number)]
        is_stopped = stops is Outcome.DONE
        assert (run.stop is not None, run.revision) == ((True, 2) if is_stopped else (False, 1))
        assert run.steps["a"].status is (StepStatus.SKIPPED if is_stopped else StepStatus.RUNNING)
