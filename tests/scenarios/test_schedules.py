"""Schedules on every storage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from floworch import AtTrigger, CronTrigger, FlowManifest, FlowOrchestrator, IntervalTrigger, RunRecord, Step
from floworch.core.model.schedules import TickOutcome, TickRecord
from tests.scenarios.conftest import Start
from tests.scenarios.world import World

SECOND = timedelta(seconds=1)


def manifest(type: str = "Echo", **triggers: Any) -> FlowManifest:
    inputs = {"value": "@trigger().scheduledAt"} if type == "Echo" else {}
    return FlowManifest(triggers=triggers, steps={"a": Step(type=type, inputs=inputs)})


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - another process may bring it about
            await asyncio.sleep(0.02)


async def ticks(orchestrator: FlowOrchestrator, trigger: str = "timed") -> Sequence[TickRecord]:
    return await orchestrator.schedules.ticks("Scenario", trigger)


async def runs(orchestrator: FlowOrchestrator) -> list[RunRecord]:
    return (await orchestrator.list_runs(limit=1000)).runs


async def test_a_moment_starts_one_run_in_one_of_two_processes(start: Start) -> None:
    at = datetime.now(UTC) + SECOND
    first = await start(manifest(timed=AtTrigger(at=at)))
    if first.storage.capabilities.shared_between_processes:
        await start(manifest(timed=AtTrigger(at=at)))

    async def has_ended() -> bool:
        return any(run.status.is_final for run in await runs(first))

    await until(has_ended)
    [run] = await runs(first)
    [tick] = await ticks(first)
    assert (tick.outcome, tick.scheduled_at, tick.run_id) == (TickOutcome.FIRED, at, run.id)
    assert (await first.get_run(run.id)).steps["a"].output == at.isoformat()
    assert (await first.schedules.get("Scenario", "timed")).next_fire_at is None


async def test_each_second_starts_one_run_with_two_processes(start: Start) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) + 2 * SECOND
    every_second = IntervalTrigger(every=1, start=begin, end=begin + 3 * SECOND, catch_up="all")
    first = await start(manifest(timed=every_second))
    if first.storage.capabilities.shared_between_processes:
        await start(manifest(timed=every_second))

    async def all_ticked() -> bool:
        return len(await ticks(first)) == 4

    await until(all_ticked)
    found = {run.scheduled_at: run.id for run in await runs(first)}
    assert sorted(found) == [begin + n * SECOND for n in range(4)]  # type: ignore[type-var]
    assert [tick.run_id for tick in reversed(await ticks(first))] == [found[at] for at in sorted(found)]  # type: ignore[type-var]


async def test_a_queued_tick_waits_for_the_run_before_it(start: Start, world: World) -> None:
    begin = datetime.now(UTC) + SECOND
    queued = IntervalTrigger(every=1, start=begin, end=begin + 1.5 * SECOND, overlap="queue")
    orchestrator = await start(manifest("Gate", timed=queued))
    await world.until_reached("a")

    async def waits() -> bool:
        schedule = await orchestrator.schedules.get("Scenario", "timed")
        return schedule.waits_for is not None

    await until(waits)
    assert len(await runs(orchestrator)) == 1
    world.open_gate("a")

    async def both_ended() -> bool:
        return [run.status.is_final for run in await runs(orchestrator)] == [True, True]

    await until(both_ended)


async def test_what_people_set_is_in_the_store(start: Start) -> None:
    orchestrator = await start(manifest(timed=CronTrigger(cron_expression="@yearly")))
    schedules = orchestrator.schedules
    await schedules.pause("Scenario", "timed", "summer")
    await schedules.override("Scenario", "timed", "0 9 * * MON-FRI")
    again = await start(manifest(timed=CronTrigger(cron_expression="@yearly")))
    if orchestrator.storage.capabilities.shared_between_processes:
        [shown] = await again.schedules.list()
        assert (shown.is_paused, shown.pause_reason, shown.override) == (True, "summer", "0 9 * * MON-FRI")
        assert shown.in_words == "on Monday to Friday at 09:00 (UTC)"


async def test_a_backfill_starts_what_is_missing(start: Start) -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    orchestrator = await start(manifest(timed=CronTrigger(cron_expression="0 6 * * *")))
    planned = await orchestrator.schedules.plan_backfill("Scenario", "timed", day, day + timedelta(days=5))
    await orchestrator.schedules.backfill("Scenario", "timed", day, day + timedelta(days=5), max_active=2)

    async def is_done() -> bool:
        backfill = (await orchestrator.schedules.get("Scenario", "timed")).backfill
        return backfill is not None and backfill.status == "done"

    await until(is_done)
    assert {run.scheduled_at for run in await runs(orchestrator)} == set(planned)
    assert len(await runs(orchestrator)) == len(planned) == 5
    assert {tick.outcome for tick in await ticks(orchestrator)} == {TickOutcome.BACKFILLED}
    assert await orchestrator.schedules.plan_backfill("Scenario", "timed", day, day + timedelta(days=5)) == []
