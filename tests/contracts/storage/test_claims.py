"""Taking ready steps, keeping them, losing them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.ports.storage import Batch, Claim, LeaseKey, LeaseState, LostLease, Outcome, Storage
from tests.contracts.storage.builders import (
    START,
    WORKER,
    StillClock,
    advance,
    claim,
    commit_advance,
    commit_claim,
    create,
    creation,
    insert,
    overwrite,
    run_id,
    state,
    stop,
)

KEY = LeaseKey(run_id(1), "a", 1)
RUNNING = (StepStatus.RUNNING, 1)


async def test_a_claim_starts_the_next_attempt(storage: Storage) -> None:
    ready = state(StepStatus.READY, 2, failures=2, lost=1)
    await create(storage, creation(steps={"a": insert(ready)}))
    at = START + timedelta(seconds=3, microseconds=5)
    assert await commit_claim(storage, claim(attempt=2, owner="w7", at=at)) is Outcome.DONE
    assert (await storage.load([run_id(1)]))[run_id(1)].steps["a"] == ready._replace(
        status=StepStatus.RUNNING, attempt=3, owner="w7", started_at=at
    )


async def test_a_claim_leaves_the_revision_alone(storage: Storage) -> None:
    await create(storage)
    await commit_claim(storage, claim())
    assert (await storage.load([run_id(1)]))[run_id(1)].revision == 1


async def test_a_claim_clears_what_the_last_attempt_left(storage: Storage) -> None:
    left = insert(state(), input=Payload("1"), output=Payload("2"), trace=["x"])
    await create(storage, creation(steps={"a": left}))
    await commit_claim(storage, claim())
    [record] = await storage.list_steps(run_id(1), payloads=True)
    assert (record.input, record.output, record.error, record.trace) == (None, None, None, None)


async def test_a_claim_is_told_in_the_history(storage: Storage) -> None:
    await create(storage)
    await commit_claim(storage, claim(owner="w7", at=START + timedelta(seconds=1)))
    event = (await storage.list_events(run_id(1)))[-1]
    assert (event.type, event.step_key, event.at) == ("step.started", "a", START + timedelta(seconds=1))
    assert event.data == {"attempt": 1, "worker": "w7"}


@pytest.mark.parametrize("status", [status for status in StepStatus if status is not StepStatus.READY])
async def test_only_a_ready_step_can_be_claimed(storage: Storage, status: StepStatus) -> None:
    await create(storage, creation(steps={"a": insert(state(status))}))
    assert await commit_claim(storage, claim()) is Outcome.CONFLICT


@pytest.mark.parametrize("wrong", [claim(attempt=1), claim(step_key="b"), claim(2)], ids=["attempt", "step", "run"])
async def test_a_claim_of_something_else_conflicts(storage: Storage, wrong: Claim) -> None:
    await create(storage)
    assert (await storage.commit(Batch(claims=[wrong]))).claims == [Outcome.CONFLICT]
    assert [event.type for event in await storage.list_events(run_id(1))] == ["run.started"]


async def test_a_step_is_claimed_once_by_sixty_four_workers(storage: Storage) -> None:
    await create(storage)
    claims = [commit_claim(storage, claim(owner=f"w{number}")) for number in range(64)]
    outcomes = await asyncio.gather(*claims)
    assert outcomes.count(Outcome.DONE) == 1
    winner = f"w{outcomes.index(Outcome.DONE)}"
    assert (await storage.load([run_id(1)]))[run_id(1)].steps["a"].owner == winner
    assert len(await storage.list_events(run_id(1))) == 2


async def test_of_two_claims_of_one_step_in_a_batch_the_first_wins(storage: Storage) -> None:
    await create(storage)
    result = await storage.commit(Batch(claims=[claim(owner="w1"), claim(owner="w2")]))
    assert result.claims == [Outcome.DONE, Outcome.CONFLICT]
    assert (await storage.load([run_id(1)]))[run_id(1)].steps["a"].owner == "w1"


async def test_claims_that_lose_do_not_hold_back_the_others(storage: Storage) -> None:
    await create(storage, creation(steps={f"s{n}": insert(state(attempt=n % 2)) for n in range(20)}))
    result = await storage.commit(Batch(claims=[claim(step_key=f"s{n}") for n in reversed(range(20))]))
    assert result.claims == [Outcome.CONFLICT if n % 2 else Outcome.DONE for n in reversed(range(20))]


async def test_steps_of_one_run_are_claimed_side_by_side(storage: Storage) -> None:
    await create(storage, creation(steps={f"s{n}": insert(state()) for n in range(200)}))
    result = await storage.commit(Batch(claims=[claim(step_key=f"s{n}") for n in range(200)]))
    assert result.claims == [Outcome.DONE] * 200


async def test_what_a_stop_has_left_ready_can_be_claimed(storage: Storage) -> None:
    await create(storage)
    await commit_advance(storage, advance(1, 1, stop=stop()))
    assert await commit_claim(storage, claim()) is Outcome.DONE


async def test_nothing_is_claimed_after_the_run_has_ended(storage: Storage) -> None:
    await create(storage)
    await commit_advance(storage, advance(1, 1, status=RunStatus.FAILED, ended_at=START))
    assert await commit_claim(storage, claim()) is Outcome.CONFLICT


async def test_a_step_can_be_claimed_in_the_batch_that_creates_it(storage: Storage) -> None:
    result = await storage.commit(Batch(creations=[creation()], claims=[claim()]))
    assert (result.creations, result.claims) == ([run_id(1)], [Outcome.DONE])


# -- leases


async def test_a_lease_lasts_as_long_as_it_was_claimed_for(storage: Storage, lease_clock: StillClock) -> None:
    await create(storage)
    await commit_claim(storage, claim(lease_seconds=30.0))
    assert (await storage.due(lease_clock.forward(29.9), 10)).lost == []
    assert (await storage.due(lease_clock.forward(0.2), 10)).lost == [LostLease(run_id(1), "a", 1, WORKER)]


async def test_a_step_that_starts_with_an_advance_has_a_lease(storage: Storage, lease_clock: StillClock) -> None:
    await create(storage)
    started = state(StepStatus.RUNNING, 1, owner=WORKER)
    await commit_advance(storage, advance(1, 1, {"a": overwrite((StepStatus.READY, 0), started, lease_seconds=5.0)}))
    assert (await storage.due(lease_clock.forward(4.9), 10)).lost == []
    assert (await storage.due(lease_clock.forward(0.2), 10)).lost == [LostLease(run_id(1), "a", 1, WORKER)]


async def test_a_running_step_without_a_lease_is_never_lost(storage: Storage, clock: StillClock) -> None:
    await create(storage, creation(steps={"loop": insert(state(StepStatus.RUNNING, 1))}))
    assert (await storage.due(clock.forward(1e6), 10)).lost == []


async def test_a_lease_ends_with_its_step(storage: Storage, clock: StillClock) -> None:
    await create(storage)
    await commit_claim(storage, claim())
    await commit_advance(storage, advance(1, 1, {"a": overwrite(RUNNING, state(StepStatus.SUCCEEDED, 1))}))
    assert (await storage.due(clock.forward(60), 10)).lost == []
    assert await storage.renew(WORKER, {KEY: 30.0}) == {KEY: LeaseState.LOST}


async def test_a_renewed_lease_is_counted_from_now(storage: Storage, lease_clock: StillClock) -> None:
    await create(storage)
    await commit_claim(storage, claim(lease_seconds=30.0))
    lease_clock.forward(20)
    assert await storage.renew(WORKER, {KEY: 30.0}) == {KEY: LeaseState.HELD}
    assert (await storage.due(lease_clock.forward(29), 10)).lost == []
    assert len((await storage.due(lease_clock.forward(2), 10)).lost) == 1


async def test_a_lease_that_ran_out_unnoticed_can_still_be_renewed(storage: Storage, clock: StillClock) -> None:
    await create(storage)
    await commit_claim(storage, claim(lease_seconds=30.0))
    clock.forward(100)
    assert await storage.renew(WORKER, {KEY: 30.0}) == {KEY: LeaseState.HELD}
    assert (await storage.due(clock.now(), 10)).lost == []


@pytest.mark.parametrize(
    ("owner", "key"),
    [
        ("worker-2", KEY),
        (WORKER, LeaseKey(run_id(1), "a", 2)),
        (WORKER, LeaseKey(run_id(1), "a", 0)),
        (WORKER, LeaseKey(run_id(1), "b", 1)),
        (WORKER, LeaseKey(run_id(2), "a", 1)),
    ],
    ids=["another owner", "a later attempt", "an earlier attempt", "another step", "another run"],
)
async def test_somebody_elses_lease_is_not_renewed(storage: Storage, owner: str, key: LeaseKey) -> None:
    await create(storage)
    await commit_claim(storage, claim())
    assert await storage.renew(owner, {key: 30.0}) == {key: LeaseState.LOST}


async def test_a_lost_lease_renews_nothing_but_the_others_are_renewed(storage: Storage, clock: StillClock) -> None:
    await create(storage, creation(1), creation(2), creation(3))
    await storage.commit(Batch(claims=[claim(1), claim(3)]))
    keys = [LeaseKey(run_id(number), "a", 1) for number in (3, 2, 1)]
    clock.forward(20)
    answers = await storage.renew(WORKER, dict.fromkeys(keys, 30.0))
    assert answers == dict(zip(keys, [LeaseState.HELD, LeaseState.LOST, LeaseState.HELD], strict=True))
    assert (await storage.due(clock.forward(20), 10)).lost == []


async def test_a_renewal_tells_that_the_run_is_stopping(storage: Storage, clock: StillClock) -> None:
    await create(storage)
    await commit_claim(storage, claim())
    await commit_advance(storage, advance(1, 1, stop=stop()))
    assert await storage.renew(WORKER, {KEY: 30.0}) == {KEY: LeaseState.STOP_REQUESTED}
    assert (await storage.due(clock.forward(29), 10)).lost == []


async def test_each_lease_is_renewed_for_its_own_time(storage: Storage, lease_clock: StillClock) -> None:
    await create(storage, creation(1), creation(2))
    await storage.commit(Batch(claims=[claim(1), claim(2)]))
    await storage.renew(WORKER, {LeaseKey(run_id(1), "a", 1): 10.0, LeaseKey(run_id(2), "a", 1): 600.0})
    assert [lost.run_id for lost in (await storage.due(lease_clock.forward(60), 10)).lost] == [run_id(1)]


async def test_renewing_nothing_is_allowed(storage: Storage) -> None:
    assert await storage.renew(WORKER, {}) == {}
