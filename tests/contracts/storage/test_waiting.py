"""What time brings, and what any worker may take."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from floworch.core.machine.transition import StepChange
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.ports.storage import DueWork, ReadyStep, Storage, TimerKey
from tests.contracts.storage.builders import (
    FLOW,
    START,
    StillClock,
    advance,
    claim,
    commit_advance,
    commit_claim,
    create,
    creation,
    flow,
    insert,
    run_id,
    state,
    stop,
)

SECOND = timedelta(seconds=1)
WORK = frozenset({"Work"})
FLOWS = frozenset({FLOW})


def pending(seconds: float, attempt: int = 1) -> StepChange:
    return insert(state(StepStatus.PENDING, attempt, due_at=START + seconds * SECOND))


async def test_nothing_is_due_in_an_empty_store(storage: Storage) -> None:
    assert await storage.due(START, 10) == DueWork()


async def test_timers_are_due_from_their_instant_on(storage: Storage) -> None:
    await create(storage, creation(steps={"a": pending(5)}))
    assert (await storage.due(START + 5 * SECOND - timedelta(microseconds=1), 10)).timers == []
    assert (await storage.due(START + 5 * SECOND, 10)).timers == [TimerKey(run_id(1), "a", 1)]


async def test_timers_come_earliest_first_and_not_more_than_asked_for(storage: Storage) -> None:
    steps = {f"s{n}": pending(n, attempt=n) for n in (3, 1, 5, 2, 4)}
    await create(storage, creation(steps=steps))
    found = (await storage.due(START + 9 * SECOND, 3)).timers
    assert found == [TimerKey(run_id(1), f"s{n}", n) for n in (1, 2, 3)]


async def test_only_pending_steps_have_timers(storage: Storage) -> None:
    steps = {
        status.value: insert(state(status, due_at=START)) for status in StepStatus if status is not StepStatus.PENDING
    }
    await create(storage, creation(steps=steps))
    assert (await storage.due(START + SECOND, 10)).timers == []


async def test_lost_leases_come_earliest_first_and_not_more_than_asked_for(
    storage: Storage, lease_clock: StillClock
) -> None:
    await create(storage, *(creation(number) for number in (1, 2, 3)))
    for number, seconds in ((1, 30.0), (2, 10.0), (3, 20.0)):
        await commit_claim(storage, claim(number, lease_seconds=seconds))
    found = (await storage.due(lease_clock.forward(60), 2)).lost
    assert [lost.run_id for lost in found] == [run_id(2), run_id(3)]


async def test_a_lease_is_held_until_it_runs_out(storage: Storage, lease_clock: StillClock) -> None:
    await create(storage, creation(1), creation(2))
    assert not await storage.is_any_lease_held()
    await commit_claim(storage, claim(1, lease_seconds=20.0))
    assert await storage.is_any_lease_held()
    lease_clock.forward(60)
    assert not await storage.is_any_lease_held()


async def test_deadlines_of_running_runs_come_earliest_first(storage: Storage) -> None:
    for number, seconds in ((1, 3), (2, 1), (3, 2), (4, 9)):
        await create(storage, creation(number, deadline=START + seconds * SECOND))
    assert (await storage.due(START + 3 * SECOND, 2)).deadlines == [run_id(2), run_id(3)]
    assert (await storage.due(START + 3 * SECOND, 9)).deadlines == [run_id(2), run_id(3), run_id(1)]


async def test_an_ended_run_has_no_deadline_any_more(storage: Storage) -> None:
    await create(storage, creation(deadline=START, status=RunStatus.SUCCEEDED, ended_at=START))
    assert await storage.due(START + SECOND, 10) == DueWork()


async def test_a_run_that_is_being_stopped_has_no_deadline_any_more(storage: Storage) -> None:
    await create(storage, creation(deadline=START, stop=stop()))
    assert await storage.due(START + SECOND, 10) == DueWork()


@pytest.mark.parametrize(("timer", "lease", "deadline"), [(5, 9, 9), (9, 5, 9), (9, 9, 5)])
async def test_the_next_instant_is_the_earliest_of_all_kinds(
    storage: Storage, lease_clock: StillClock, timer: int, lease: int, deadline: int
) -> None:
    steps = {"a": pending(timer), "b": insert(state())}
    await create(storage, creation(steps=steps, deadline=START + deadline * SECOND))
    await commit_claim(storage, claim(step_key="b", lease_seconds=float(lease)))
    assert (await storage.due(lease_clock.now(), 10)).next_at == START + 5 * SECOND


async def test_the_next_instant_is_after_now(storage: Storage) -> None:
    await create(storage, creation(steps={"a": pending(1), "b": pending(2), "c": pending(3)}))
    found = await storage.due(START + 2 * SECOND, 10)
    assert ([timer.step_key for timer in found.timers], found.next_at) == (["a", "b"], START + 3 * SECOND)


async def test_asking_what_is_due_changes_nothing(storage: Storage) -> None:
    await create(storage, creation(steps={"a": pending(0)}))
    assert await storage.due(START, 10) == await storage.due(START, 10)


# -- ready steps


async def test_a_ready_step_says_all_that_is_needed_to_take_it(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(state(attempt=2), type="Work")}))
    assert await storage.ready(10, WORK, FLOWS) == [ReadyStep(run_id(1), "a", 2, "Work", FLOW)]


async def test_ready_steps_come_longest_ready_first(storage: Storage) -> None:
    steps = {f"s{n}": insert(state(ready_at=START + n * SECOND)) for n in (3, 1, 2)}
    await create(storage, creation(steps=steps))
    assert [step.step_key for step in await storage.ready(2, WORK, FLOWS)] == ["s1", "s2"]


async def test_steps_of_runs_with_a_higher_priority_come_first(storage: Storage) -> None:
    for number, priority in ((1, 0), (2, 5), (3, -5)):
        steps = {"a": insert(state(ready_at=START - number * SECOND))}
        await create(storage, creation(number, priority=priority, steps=steps))
    assert [step.run_id for step in await storage.ready(10, WORK, FLOWS)] == [run_id(2), run_id(1), run_id(3)]


async def test_a_flow_with_many_ready_steps_does_not_keep_another_one_waiting(storage: Storage) -> None:
    many = {f"s{n}": insert(state(ready_at=START + n * SECOND)) for n in range(20)}
    await create(storage, creation(1, steps=many))
    late = {"late": insert(state(ready_at=START + 99 * SECOND)), "later": insert(state(ready_at=START + 100 * SECOND))}
    await create(storage, creation(2, flow_id=flow(1).id, steps=late))
    found = await storage.ready(4, WORK, FLOWS | {flow(1).id})
    assert [step.step_key for step in found] == ["s0", "late", "s1", "later"]


async def test_the_priority_of_a_run_is_kept(storage: Storage) -> None:
    await create(storage, creation(1, priority=7))
    assert (await storage.load([run_id(1)]))[run_id(1)].facts.priority == 7


async def test_only_ready_steps_are_ready(storage: Storage) -> None:
    await create(storage, creation(steps={status.value: insert(state(status)) for status in StepStatus}))
    assert [step.step_key for step in await storage.ready(10, WORK, FLOWS)] == ["Ready"]


async def test_steps_of_other_types_are_left_to_others(storage: Storage) -> None:
    steps = {"a": insert(state(), type="Mail"), "b": insert(state(), type="Work"), "c": insert(state(), type="work")}
    await create(storage, creation(steps=steps))
    assert [step.step_key for step in await storage.ready(10, WORK, FLOWS)] == ["b"]
    assert [step.step_key for step in await storage.ready(10, frozenset({"Mail", "Work"}), FLOWS)] == ["a", "b"]


async def test_steps_of_other_flows_are_left_to_others(storage: Storage) -> None:
    await create(storage, creation(1), creation(2, flow_id=flow(2).id))
    assert [step.run_id for step in await storage.ready(10, WORK, frozenset({flow(2).id}))] == [run_id(2)]


@pytest.mark.parametrize(("types", "flows"), [(frozenset[str](), FLOWS), (WORK, frozenset[UUID]())])
async def test_who_can_run_nothing_gets_nothing(
    storage: Storage, types: frozenset[str], flows: frozenset[UUID]
) -> None:
    await create(storage)
    assert await storage.ready(10, types, flows) == []


async def test_steps_of_ended_runs_are_not_ready(storage: Storage) -> None:
    await create(storage)
    await commit_advance(storage, advance(1, 1, status=RunStatus.FAILED, ended_at=START))
    assert await storage.ready(10, WORK, FLOWS) == []


async def test_steps_that_a_stop_has_left_ready_are_found(storage: Storage) -> None:
    await create(storage)
    await commit_advance(storage, advance(1, 1, stop=stop()))
    assert [step.step_key for step in await storage.ready(10, WORK, FLOWS)] == ["a"]


async def test_a_claimed_step_is_not_ready_any_more(storage: Storage) -> None:
    await create(storage)
    await commit_claim(storage, claim())
    assert await storage.ready(10, WORK, FLOWS) == []


async def test_ready_steps_tell_which_version_their_run_goes_by(storage: Storage) -> None:
    await create(storage)
    [found] = await storage.ready(10, WORK, FLOWS)
    assert found.manifest_hash == "hash-1"


async def test_ready_steps_of_versions_that_cannot_be_read_are_left_out(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    await commit_advance(storage, advance(2, 1, moved_to=("hash-2", "2.0")))
    found = await storage.ready(10, WORK, FLOWS, unreadable=frozenset({"hash-1", "hash-3"}))
    assert [(step.run_id, step.manifest_hash) for step in found] == [(run_id(2), "hash-2")]
