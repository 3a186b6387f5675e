"""A year of two hundred schedules in five time zones, tick by tick beside the oracle."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from floworch import CronTrigger, FlowDefinition, FlowManifest, FlowOrchestrator, Step
from floworch.core.model.schedules import TickOutcome
from floworch.runtimes.asyncio import AsyncioRuntime
from floworch.storage.memory import MemoryStorage
from floworch.testing.clock import VirtualClock
from tests.unit.core.policy.cron_oracle import Calendar

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
EXPRESSIONS = (
    "30 2 * * *",
    *(f"{minute} 2 * * 0" for minute in (0, 15, 59)),
    *(f"{minute} 1 * * 0" for minute in (5, 30, 45)),
    *(f"{minute} 0,3,12 * * 0" for minute in (0, 7)),
    *(f"0 {hour} * * 1" for hour in (7, 9, 18)),
    *(f"30 {hour} 1,15 * *" for hour in (1, 2, 3, 23)),
    *(f"*/{step} 1-3 * 3,4,10,11 0" for step in (10, 15, 30)),
    *(f"{minute} */6 * * 0" for minute in (0, 30, 50)),
    *(f"20 {hour} L * *" for hour in (0, 2, 12)),
    *(f"0 8 {day} * 3" for day in (1, 10, 20)),
    *(f"40 2 * {month} 6,0" for month in ("3", "4", "9,10", "11", "1-12/2")),
    *(f"{minute} * * 3,4,10,11 0" for minute in (0, 30)),
    "*/20 2 * 3,10 0",
    "0 0 29 2 *",
    "0 0 1 1 *",
    "15 14 * * 1",
    "1 1 1-7 * *",
)
"""Forty of them, for each zone. Clocks change on Sundays."""


_NO_HEARTBEATS = {"lease_seconds": YEAR.total_seconds(), "heartbeat_seconds": YEAR.total_seconds() / 4}


async def test_every_tick_of_the_year_is_as_the_oracle_says(record_figure: Callable[[str], None]) -> None:
    triggers = {
        f"{zone}-{number}".replace("/", "-"): CronTrigger(cron_expression=expression, time_zone=zone)
        for zone in ZONES
        for number, expression in enumerate(EXPRESSIONS)
    }
    assert len(triggers) == 200
    clock = VirtualClock(asyncio.get_running_loop(), START - timedelta(seconds=1))
    flow = FlowDefinition(
        id=UUID(int=9),
        name="Year",
        manifest=FlowManifest(triggers=triggers, steps={"a": Step(type="Nothing", when="@trigger().key == ''")}),
    )
    builder = FlowOrchestrator.builder().use_storage(MemoryStorage).use_runtime(lambda: AsyncioRuntime(8))
    builder.add_flow(flow).add_handlers("Nothing", _nothing).use_clock(clock)
    began = time.process_time()
    async with builder.configure(keep_ticks_days=1000, keep_runs_days=2, **_NO_HEARTBEATS).build() as orchestrator:
        await asyncio.sleep(YEAR.total_seconds())
        seconds = time.process_time() - began
        found = defaultdict(list)
        run_ids = set()
        for key in triggers:
            for tick in reversed(await orchestrator.schedules.ticks("Year", key, limit=100_000)):
                assert tick.outcome is TickOutcome.FIRED
                assert tick.lag_seconds < 1
                found[key].append(tick.scheduled_at)
                run_ids.add(tick.run_id)
    total = sum(map(len, found.values()))
    assert len(run_ids) == total
    record_figure(f"a year of 200 schedules: {total} ticks in {seconds:.1f} s of processor time (target 60)")
    for zone in ZONES:
        calendar = Calendar(zone, START, START + YEAR)
        for number, expression in enumerate(EXPRESSIONS):
            assert found[f"{zone}-{number}".replace("/", "-")] == calendar.due(expression), (zone, expression)


async def _nothing() -> None:
    return None
