"""Three replicas, killed at random while schedules tick: no tick is lost, and none starts two runs."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from floworch import FlowOrchestrator, RunRecord
from tests.chaos.processes import Worker, sleep
from tests.chaos.schedule_app import build

pytestmark = pytest.mark.chaos

_REPLICAS = 3
_PATIENCE_SECONDS = 120.0
_AHEAD_OF_STARTS = 3
"""Schedules have no ticks before they are known: so long, in starts of a process, is the first one ahead."""


async def test_a_few_ticks_on_sqlite(tmp_path: Path, start_worker: Callable[..., Worker]) -> None:
    await _kill_through(str(tmp_path / "flows.db"), start_worker, seconds=12, schedules=20, seed=1)


async def test_two_thousand_ticks_on_postgresql(database: str, start_worker: Callable[..., Worker]) -> None:
    await _kill_through(database, start_worker, seconds=50, schedules=40, seed=2)


async def _kill_through(
    target: str, start_worker: Callable[..., Worker], *, seconds: int, schedules: int, seed: int
) -> None:
    chance = Random(seed)

    def start_one(plan: str) -> Worker:
        return start_worker(target, plan, module="tests.chaos.schedule_app")

    start = int(time.time() + _AHEAD_OF_STARTS * _start_seconds(start_one, schedules)) + 1
    plan = f"{start}:{seconds}:{schedules}"
    workers = [start_one(plan)]
    workers[0].wait_for("started")
    assert time.time() < start, "the schedules came after their first tick"
    workers += [start_one(plan) for _ in range(_REPLICAS - 1)]
    kills = 0
    while time.time() < start + seconds:
        sleep(chance.uniform(0.3, 2.0))
        victim = chance.randrange(_REPLICAS)
        workers[victim].kill()
        workers[victim] = start_one(plan)
        kills += 1
    assert kills >= seconds // 4
    for worker in workers:
        worker.wait_for("started")
    await _check(target, plan, datetime.fromtimestamp(start, UTC), seconds, schedules)


def _start_seconds(start_one: Callable[[str], Worker], schedules: int) -> float:
    """How long a process takes to start here and now. It makes the tables, and has schedules that are not due."""
    began = time.time()
    worker = start_one(f"{int(began) + 86_400}:1:{schedules}")
    worker.wait_for("started")
    worker.kill()
    return time.time() - began


async def _check(target: str, plan: str, start: datetime, seconds: int, schedules: int) -> None:
    orchestrator = build(target, plan)
    await orchestrator.start(work=False)
    try:
        runs = await _all_runs(orchestrator, seconds * schedules)
        expected = [start + timedelta(seconds=n) for n in range(seconds)]
        started = Counter((run.trigger_key, run.scheduled_at) for run in runs)
        assert started == Counter((f"second-{n}", at) for n in range(schedules) for at in expected)
        by_id = {run.id: run for run in runs}
        for number in range(schedules):
            ticks = await orchestrator.schedules.ticks("Ticking", f"second-{number}", limit=2 * seconds)
            assert [tick.scheduled_at for tick in reversed(ticks)] == expected
            assert all(tick.run_id and by_id[tick.run_id].scheduled_at == tick.scheduled_at for tick in ticks)
    finally:
        await orchestrator.stop()


async def _all_runs(orchestrator: FlowOrchestrator, count: int) -> list[RunRecord]:
    """Once they have all ended."""
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        found: list[RunRecord] = []
        cursor = None
        while True:
            page = await orchestrator.list_runs(limit=500, cursor=cursor)
            found += page.runs
            cursor = page.next_cursor
            if cursor is None:
                break
        if len(found) >= count and all(run.status.is_final for run in found):
            return found
        assert time.monotonic() < give_up_at, await _what_is_missing(orchestrator, found, count)
        await asyncio.sleep(0.5)


async def _what_is_missing(orchestrator: FlowOrchestrator, found: list[RunRecord], count: int) -> str:
    """Tells ticks that nobody deals with from runs that nobody works on."""
    schedules = await orchestrator.schedules.list("Ticking")
    stand = Counter(str(each.next_fire_at) for each in schedules)
    ticks = [t for each in schedules for t in await orchestrator.schedules.ticks("Ticking", each.trigger, limit=count)]
    return (
        f"{len(found)} of {count} runs: {Counter(run.status.value for run in found)}; "
        f"ticks: {Counter(tick.outcome.value for tick in ticks)}; "
        f"why: {Counter(tick.why for tick in ticks if not tick.outcome.has_run).most_common(3)}; "
        f"next ticks: {stand.most_common(5)}"
    )
