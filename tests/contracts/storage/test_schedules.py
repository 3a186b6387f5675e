"""A tick starts one run, whoever sees that it is due."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from floworch.core.machine.state import RunFacts
from floworch.core.model.schedules import Backfill, BackfillStatus, ScheduleRecord, TickOutcome, TickRecord
from floworch.core.model.status import RunStatus
from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import Creation, RunFilter, Storage
from tests.contracts.storage.builders import (
    START,
    WORKER,
    advance,
    commit_advance,
    create,
    creation,
    flow,
    insert,
    run_id,
    state,
)

HOUR = timedelta(hours=1)
FLOW = flow()
FLOWS = frozenset({FLOW.id})


def schedule(key: str = "hourly", **changes: Any) -> ScheduleRecord:
    values: dict[str, Any] = {"next_fire_at": START, "due_at": START, "updated_at": START, **changes}
    return ScheduleRecord(changes.pop("flow_id", FLOW.id), key, '{"type":"Cron"}', **values)


def tick(at: datetime = START, outcome: TickOutcome = TickOutcome.FIRED, **changes: Any) -> TickRecord:
    return TickRecord(FLOW.id, "hourly", at, outcome, changes.pop("recorded_at", START), **changes)


def run_of_tick(number: int, at: datetime = START) -> Creation:
    facts = RunFacts(run_id(number), FLOW.id, "hash-1", "hourly", START, scheduled_at=at)
    return replace(creation(number, flow_id=FLOW.id), facts_of_run=facts)


@pytest.fixture
async def store(storage: Storage) -> Storage:
    """With an enabled flow."""
    await storage.save_flows([FLOW])
    return storage


async def save(store: Storage, *records: ScheduleRecord) -> list[bool]:
    return await store.change_schedules([ScheduleChange(each) for each in records])


async def the_only_one(store: Storage) -> ScheduleRecord:
    [found] = await store.list_schedules()
    return found


async def due(store: Storage, at: datetime = START, limit: int = 10) -> Sequence[str]:
    return [each.trigger_key for each in (await store.due_schedules(at, limit, FLOWS)).due]


async def test_a_schedule_comes_back_as_it_was_written(store: Storage) -> None:
    backfill = Backfill(START, START + HOUR, "failed", 3, START, START, active=(run_id(7),), started=1, passed_over=2)
    full = schedule(
        override="@daily",
        paused_at=START,
        paused_until=START + HOUR,
        pause_reason="ünder repair",
        retired_at=START,
        waits_for=run_id(3),
        last_tick_at=START - HOUR,
        backfill=backfill,
    )
    assert await save(store, full) == [True]
    assert await the_only_one(store) == replace(full, revision=1)
    empty = ScheduleRecord(FLOW.id, "hourly", "{}", revision=1, updated_at=START + HOUR)
    assert await save(store, empty) == [True]
    assert await the_only_one(store) == replace(empty, revision=2)


async def test_a_change_that_has_not_seen_the_last_one_is_left_out_with_all_that_hangs_on_it(store: Storage) -> None:
    await save(store, schedule(), schedule("daily"))
    late = ScheduleChange(replace(schedule(), revision=7), [tick()], [run_of_tick(1)])
    again = ScheduleChange(schedule("daily"), [], [run_of_tick(2)])
    fresh = ScheduleChange(schedule("weekly"))
    assert await store.change_schedules([late, again, fresh]) == [False, False, True]
    assert await store.list_ticks(FLOW.id, "hourly", 10) == []
    assert await store.load([run_id(1), run_id(2)]) == {}
    assert [each.trigger_key for each in await store.list_schedules()] == ["daily", "hourly", "weekly"]


async def test_a_tick_is_written_with_its_run(store: Storage) -> None:
    await save(store, schedule())
    later = replace(schedule(), revision=1, next_fire_at=START + HOUR, due_at=START + HOUR, last_tick_at=START)
    fired = tick(run_id=run_id(1), why="because")
    assert await store.change_schedules([ScheduleChange(later, [fired], [run_of_tick(1)])], WORKER) == [True]
    assert await store.list_ticks(FLOW.id, "hourly", 10) == [fired]
    stored = (await store.load([run_id(1)]))[run_id(1)]
    assert (stored.facts.scheduled_at, stored.facts.trigger_key) == (START, "hourly")
    assert (stored.status, list(stored.steps)) == (RunStatus.RUNNING, ["a"])
    record = await store.get_run(run_id(1))
    assert record is not None
    assert record.scheduled_at == START
    assert (await store.load_payloads(run_id(1), [])) == {}
    assert (await store.ready(10, frozenset({"Work"}), FLOWS))[0].run_id == run_id(1)


async def test_of_many_who_fire_the_same_tick_one_does(store: Storage, neighbour: Storage) -> None:
    await save(store, schedule())
    fired = replace(schedule(), revision=1, next_fire_at=START + HOUR)
    changes = [ScheduleChange(fired, [tick(run_id=run_id(number))], [run_of_tick(number)]) for number in range(1, 9)]
    stores = [store, neighbour]
    answers = await asyncio.gather(
        *(stores[place % 2].change_schedules([change]) for place, change in enumerate(changes))
    )
    assert sorted(answers) == [[False]] * 7 + [[True]]
    [run] = (await store.list_runs(RunFilter(), 10)).runs
    [recorded] = await store.list_ticks(FLOW.id, "hourly", 10)
    assert recorded.run_id == run.id


async def test_due_schedules_come_in_the_order_of_their_time(store: Storage) -> None:
    await save(
        store,
        schedule("b", due_at=START),
        schedule("a", due_at=START - HOUR, next_fire_at=START - HOUR),
        schedule("later", due_at=START + HOUR),
        schedule("latest", due_at=START + 2 * HOUR),
        schedule("never", due_at=None, next_fire_at=None),
    )
    assert await due(store) == ["a", "b"]
    assert await due(store, limit=1) == ["a"]
    found = await store.due_schedules(START - timedelta(microseconds=1), 10, FLOWS)
    assert ([each.trigger_key for each in found.due], found.next_at) == (["a"], START)
    assert (await store.due_schedules(START, 10, FLOWS)).next_at == START + HOUR


async def test_schedules_of_other_flows_and_of_disabled_ones_are_not_due(store: Storage) -> None:
    await save(store, schedule())
    assert (await store.due_schedules(START, 10, frozenset({UUID(int=5)}))).due == []
    await store.set_flow_enabled(FLOW.id, False)
    found = await store.due_schedules(START - HOUR, 10, FLOWS)
    assert (found.due, found.next_at) == ([], None)
    await store.set_flow_enabled(FLOW.id, True)
    assert await due(store) == ["hourly"]


async def test_a_schedule_that_waits_for_a_run_is_due_when_that_has_ended(store: Storage) -> None:
    await create(store, creation(1, flow_id=FLOW.id))
    await save(store, schedule(due_at=None, waits_for=run_id(1)))
    assert await due(store) == []
    await commit_advance(store, advance(1, 1, status=RunStatus.FAILED, ended_at=START))
    assert await due(store) == ["hourly"]


async def test_a_schedule_that_waits_for_a_run_that_is_no_more_is_due(store: Storage) -> None:
    await save(store, schedule(due_at=None, waits_for=run_id(99)))
    assert await due(store) == ["hourly"]


@pytest.mark.parametrize("status", BackfillStatus)
async def test_backfills_that_go_on_are_found(store: Storage, status: BackfillStatus) -> None:
    backfill = Backfill(START, START, "all", 1, START, START, status)
    await save(store, schedule(due_at=None, backfill=backfill))
    found = (await store.due_schedules(START, 10, FLOWS)).backfills
    assert [each.trigger_key for each in found] == (["hourly"] if status is BackfillStatus.RUNNING else [])


async def test_ticks_come_latest_first_and_can_be_replaced(store: Storage) -> None:
    ticks = [tick(START + n * HOUR, TickOutcome.MISSED) for n in range(4)]
    await store.change_schedules([ScheduleChange(schedule(), ticks)])
    assert await store.list_ticks(FLOW.id, "hourly", 2) == [ticks[3], ticks[2]]
    assert await store.list_ticks(FLOW.id, "hourly", 9, first=START + HOUR, last=START + 2 * HOUR) == [
        ticks[2],
        ticks[1],
    ]
    assert await store.list_ticks(FLOW.id, "daily", 9) == []
    other = tick(START, TickOutcome.BACKFILLED, run_id=run_id(4))
    await store.change_schedules([ScheduleChange(replace(schedule(), revision=1), [other])])
    assert (await store.list_ticks(FLOW.id, "hourly", 9))[-1] == other


async def test_old_ticks_are_forgotten_a_few_at_a_time(store: Storage) -> None:
    ticks = [tick(START + n * HOUR, recorded_at=START + n * HOUR) for n in range(4)]
    await store.change_schedules([ScheduleChange(schedule(), ticks)])
    assert [await store.delete_ticks(START + 3 * HOUR, 2) for _ in range(3)] == [2, 1, 0]
    assert await store.list_ticks(FLOW.id, "hourly", 9) == ticks[3:]


async def test_runs_of_a_trigger_are_found(store: Storage) -> None:
    await store.change_schedules([ScheduleChange(schedule(), [], [run_of_tick(1)])])
    await create(store, creation(2, flow_id=FLOW.id, steps={"a": insert(state())}))
    page = await store.list_runs(RunFilter(FLOW.id, frozenset({RunStatus.RUNNING}), trigger_key="hourly"), 10)
    assert [run.id for run in page.runs] == [run_id(1)]
