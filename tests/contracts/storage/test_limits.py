"""Contract of limits: what claims they refuse, what is used of them, and what is kept."""

from __future__ import annotations

import asyncio
from uuid import UUID

from floworch.core.model.limits import Limit, LimitRecord, Quota, Rate, flow_limit, key_limit, type_limit
from floworch.core.model.status import StepStatus
from floworch.core.policy.limits import quotas_of
from floworch.core.ports.storage import Batch, Claim, Outcome, ReadyStep, Storage
from tests.contracts.storage.builders import (
    FLOW,
    StillClock,
    advance,
    claim,
    commit_advance,
    create,
    creation,
    flow,
    insert,
    overwrite,
    run_id,
    state,
)

TWO = Limit(concurrency=2)
OF_FLOW, OF_KEY, OF_TYPE = flow_limit(FLOW), key_limit(FLOW), type_limit("Work")
WORK, FLOWS = frozenset({"Work"}), frozenset({FLOW})


def limited(number: int, key: str | None = None, step_key: str = "a", flow_id: UUID = FLOW) -> Claim:
    """A claim of a step of run ``number``, of the type ``Work``."""
    return claim(number, step_key, quotas=quotas_of("Work", flow_id, key))


async def runs(storage: Storage, count: int, key: str | None = None, *, first: int = 1) -> None:
    await create(storage, *(creation(number, concurrency_key=key) for number in range(first, first + count)))


async def try_to_start(storage: Storage, *claims: Claim) -> list[Outcome]:
    return (await storage.commit(Batch(claims=claims))).claims


async def end(storage: Storage, number: int) -> None:
    ended = overwrite((StepStatus.RUNNING, 1), state(StepStatus.SUCCEEDED, 1))
    assert await commit_advance(storage, advance(number, 1, {"a": ended})) is Outcome.DONE


async def test_no_more_claims_are_granted_than_the_limit_allows(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: TWO}, ())
    await runs(storage, 4)

    assert await try_to_start(storage, limited(3), limited(1), limited(2)) == [
        Outcome.DONE,
        Outcome.DONE,
        Outcome.LIMITED,
    ], "in the order of the batch"

    assert await try_to_start(storage, limited(4)) == [Outcome.LIMITED]
    assert (await storage.load([run_id(2)]))[run_id(2)].steps["a"].status is StepStatus.READY


async def test_an_attempt_that_has_ended_lets_the_next_one_start(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: TWO}, ())
    await runs(storage, 3)
    await try_to_start(storage, limited(1), limited(2))

    await end(storage, 1)

    assert await try_to_start(storage, limited(3)) == [Outcome.DONE]


async def test_a_limit_of_a_type_counts_the_steps_of_that_type_alone_in_whatever_case(storage: Storage) -> None:
    await storage.save_limits({type_limit("WORK"): Limit(concurrency=1)}, ())
    await create(storage, creation(1, steps={"a": insert(state()), "b": insert(state(), type="Mail")}))
    await create(storage, creation(2, steps={"a": insert(state(), type="work")}))

    mail = claim(1, "b", quotas=quotas_of("Mail", FLOW, None))
    assert await try_to_start(storage, mail, limited(2), limited(1)) == [Outcome.DONE, Outcome.DONE, Outcome.LIMITED]


async def test_a_limit_per_key_counts_each_key_by_itself(storage: Storage) -> None:
    await storage.save_limits({OF_KEY: Limit(concurrency=1)}, ())
    await runs(storage, 2, "north")
    await runs(storage, 1, "south", first=3)
    await runs(storage, 1, None, first=4)

    claims = [limited(1, "north"), limited(2, "north"), limited(3, "south"), limited(4)]

    assert await try_to_start(storage, *claims) == [Outcome.DONE, Outcome.LIMITED, Outcome.DONE, Outcome.DONE]


async def test_every_limit_that_a_step_has_must_leave_something(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: TWO, OF_KEY: Limit(concurrency=1)}, ())
    await runs(storage, 2, "north")
    await runs(storage, 2, "south", first=3)

    claims = [limited(1, "north"), limited(2, "north"), limited(3, "south"), limited(4, "south")]

    assert await try_to_start(storage, *claims) == [Outcome.DONE, Outcome.LIMITED, Outcome.DONE, Outcome.LIMITED]


async def test_a_claim_that_is_lost_uses_nothing(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: Limit(concurrency=1, rate=Rate(count=1, per_seconds=60))}, ())
    await runs(storage, 2)

    assert await try_to_start(storage, limited(7), limited(1)) == [Outcome.CONFLICT, Outcome.DONE]

    assert await try_to_start(storage, limited(2)) == [Outcome.LIMITED]


async def test_a_claim_beside_an_advance_of_its_run_is_granted(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: Limit(concurrency=1)}, ())
    await create(storage, creation(1, steps={"a": insert(state()), "b": insert(state())}))
    await try_to_start(storage, limited(1))
    ended = overwrite((StepStatus.RUNNING, 1), state(StepStatus.SUCCEEDED, 1))

    result = await storage.commit(Batch(advances=[advance(1, 1, {"a": ended})], claims=[limited(1, step_key="b")]))

    assert (result.advances, result.claims) == ([Outcome.DONE], [Outcome.DONE]), "what ends in the batch counts no more"


async def test_what_the_store_has_holds_and_not_what_the_claim_believes(storage: Storage) -> None:
    await runs(storage, 3)

    assert await try_to_start(storage, limited(1), limited(2)) == [Outcome.DONE, Outcome.DONE]
    await storage.save_limits({OF_FLOW: TWO}, ())

    assert await try_to_start(storage, limited(3)) == [Outcome.LIMITED], "steps that ran before count"


async def test_claims_of_several_processes_never_exceed_a_limit(storage: Storage, neighbour: Storage) -> None:
    await storage.save_limits({OF_FLOW: Limit(concurrency=5)}, ())
    await runs(storage, 24)
    stores = [storage, neighbour]

    outcomes = await asyncio.gather(*(try_to_start(stores[n % 2], limited(n)) for n in range(1, 25)))

    assert sum(outcome == [Outcome.DONE] for outcome in outcomes) == 5
    assert sum(outcome == [Outcome.LIMITED] for outcome in outcomes) == 19
    assert (await storage.limit_use()).running[Quota(OF_FLOW)] == 5


async def test_a_rate_lets_attempts_start_evenly(storage: Storage, lease_clock: StillClock) -> None:
    await storage.save_limits({OF_FLOW: Limit(rate=Rate(count=2, per_seconds=60))}, ())
    await runs(storage, 4)

    assert await try_to_start(storage, limited(1), limited(2)) == [Outcome.DONE, Outcome.LIMITED]
    lease_clock.forward(29)
    assert await try_to_start(storage, limited(2)) == [Outcome.LIMITED]
    lease_clock.forward(1)
    assert await try_to_start(storage, limited(2), limited(3)) == [Outcome.DONE, Outcome.LIMITED]


async def test_a_rate_that_is_changed_begins_anew(storage: Storage) -> None:
    slow, quick = (Limit(rate=Rate(count=1, per_seconds=seconds)) for seconds in (3600, 60))
    await storage.save_limits({OF_TYPE: slow}, ())
    await runs(storage, 9)
    assert await try_to_start(storage, limited(1), limited(2)) == [Outcome.DONE, Outcome.LIMITED]

    await storage.override_limit(OF_TYPE, quick)
    assert await try_to_start(storage, limited(2), limited(3)) == [Outcome.DONE, Outcome.LIMITED]
    await storage.override_limit(OF_TYPE, None)
    assert await try_to_start(storage, limited(3), limited(4)) == [Outcome.DONE, Outcome.LIMITED]
    await storage.save_limits({OF_TYPE: quick}, ())
    assert await try_to_start(storage, limited(4), limited(5)) == [Outcome.DONE, Outcome.LIMITED]


async def test_a_rate_that_is_said_again_goes_on(storage: Storage) -> None:
    hourly = Limit(rate=Rate(count=1, per_seconds=3600))
    await storage.save_limits({OF_TYPE: hourly}, ())
    await runs(storage, 2)
    assert await try_to_start(storage, limited(1)) == [Outcome.DONE]

    await storage.save_limits({OF_TYPE: hourly}, ())
    await storage.override_limit(OF_TYPE, hourly)
    await storage.override_limit(OF_TYPE, Limit(concurrency=5, rate=hourly.rate))
    await storage.override_limit(OF_TYPE, None)

    assert await try_to_start(storage, limited(2)) == [Outcome.LIMITED]


async def test_a_burst_is_there_again_after_a_quiet_time(storage: Storage, lease_clock: StillClock) -> None:
    await storage.save_limits({OF_KEY: Limit(rate=Rate(count=2, per_seconds=60, burst=2))}, ())
    await runs(storage, 6, "north")
    every = [limited(number, "north") for number in range(1, 7)]

    assert (await try_to_start(storage, *every[:3])).count(Outcome.DONE) == 2
    lease_clock.forward(60)
    assert (await try_to_start(storage, *every[2:])).count(Outcome.DONE) == 2


async def test_the_use_tells_how_limits_stand(storage: Storage, lease_clock: StillClock) -> None:
    await storage.save_limits({OF_KEY: Limit(concurrency=1, rate=Rate(count=1, per_seconds=10))}, ())
    await runs(storage, 3, "north")
    await runs(storage, 1, "south", first=4)
    await try_to_start(storage, limited(1, "north"))

    use = await storage.limit_use(waiting=True)

    assert use.at == lease_clock.now()
    assert use.running[Quota(OF_KEY, "north")] == 1
    assert (use.waiting[Quota(OF_KEY, "north")], use.waiting[Quota(OF_KEY, "south")]) == (2, 1)
    assert use.arrivals.keys() == {Quota(OF_KEY, "north")}
    assert use.refusals("Work", FLOW, "north") == [Quota(OF_KEY, "north")]
    assert use.refusals("Work", FLOW, "south") == []


async def test_where_nothing_is_limited_nothing_is_counted(storage: Storage) -> None:
    await runs(storage, 1)
    await try_to_start(storage, claim())

    use = await storage.limit_use(waiting=True)

    assert (use.limits, use.running, use.waiting) == ({}, {}, {})


async def test_what_the_code_says_no_more_is_forgotten(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: TWO, OF_TYPE: TWO}, ())

    await storage.save_limits({}, [OF_FLOW])

    assert [(each.name, each.code) for each in (await storage.limit_use()).records] == [(OF_TYPE, TWO)]


async def test_an_override_holds_until_it_is_taken_back(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: TWO}, ())

    await storage.override_limit(OF_FLOW, Limit(concurrency=7))
    await storage.save_limits({OF_FLOW: Limit(concurrency=3)}, [OF_FLOW])

    [record] = (await storage.limit_use()).records
    assert (record.code, record.override) == (Limit(concurrency=3), Limit(concurrency=7))
    assert record.in_force == Limit(concurrency=7)
    await storage.override_limit(OF_FLOW, None)
    assert (await storage.limit_use()).limits == {OF_FLOW: Limit(concurrency=3)}


async def test_an_override_may_limit_what_the_code_does_not_and_outlives_it(storage: Storage) -> None:
    await storage.override_limit(OF_FLOW, TWO)
    await storage.save_limits({}, [OF_FLOW])

    assert (await storage.limit_use()).limits == {OF_FLOW: TWO}
    await storage.override_limit(OF_FLOW, None)
    assert not (await storage.limit_use()).records


async def test_a_limit_can_be_lifted(storage: Storage) -> None:
    await storage.save_limits({OF_FLOW: Limit(concurrency=1)}, ())
    await storage.override_limit(OF_FLOW, Limit())
    await runs(storage, 2)

    assert await try_to_start(storage, limited(1), limited(2)) == [Outcome.DONE, Outcome.DONE]
    [record] = (await storage.limit_use()).records
    assert (record.name, record.in_force) == (OF_FLOW, None)
    assert isinstance(record, LimitRecord)


async def test_arrival_times_that_lie_behind_are_forgotten(storage: Storage, lease_clock: StillClock) -> None:
    await storage.save_limits({OF_KEY: Limit(rate=Rate(count=1, per_seconds=60))}, ())
    await runs(storage, 1, "north")
    await runs(storage, 1, "south", first=2)
    await try_to_start(storage, limited(1, "north"))
    lease_clock.forward(45)
    await try_to_start(storage, limited(2, "south"))
    lease_clock.forward(30)

    assert await storage.forget_arrivals() == 1
    assert await storage.forget_arrivals() == 0
    assert (await storage.limit_use()).arrivals.keys() == {Quota(OF_KEY, "south")}


async def test_ready_steps_tell_the_key_of_their_run(storage: Storage) -> None:
    await runs(storage, 1, "north")

    assert await storage.ready(5, WORK, FLOWS) == [ReadyStep(run_id(1), "a", 0, "Work", FLOW, concurrency_key="north")]


async def test_ready_steps_of_some_keys_can_be_passed_over(storage: Storage) -> None:
    await runs(storage, 30, "north")
    await runs(storage, 1, "south", first=31)
    await runs(storage, 1, None, first=32)
    other = flow(1).id
    await create(storage, creation(33, flow_id=other, concurrency_key="north"))

    found = await storage.ready(5, WORK, FLOWS | {other}, {FLOW: {"north"}})

    assert {step.run_id for step in found} == {run_id(31), run_id(32), run_id(33)}


async def test_as_many_keys_as_there_are_can_be_passed_over(storage: Storage) -> None:
    full = [f'Süd "{n}" \\ 😀' for n in range(1000)]
    new = [creation(n, concurrency_key=key) for n, key in enumerate(full)]
    await create(storage, *new, creation(1000, concurrency_key="free"))

    found = await storage.ready(5, WORK, FLOWS, {FLOW: full})

    assert [step.run_id for step in found] == [run_id(1000)]


async def test_the_key_is_kept_with_the_run(storage: Storage) -> None:
    await runs(storage, 1, "Süd/North 😀")

    assert (await storage.load([run_id(1)]))[run_id(1)].facts.concurrency_key == "Süd/North 😀"
    record = await storage.get_run(run_id(1))
    assert record is not None
    assert record.concurrency_key == "Süd/North 😀"
