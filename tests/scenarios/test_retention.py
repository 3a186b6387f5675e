"""Old runs are deleted by the engine itself, or when somebody asks for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from floworch import ConfigurationError, FlowManifest, FlowOrchestrator, RunNotFound, Step
from tests.scenarios.conftest import Start
from tests.scenarios.world import World

SOON = timedelta(seconds=-1)
"""Negative ages lie in the future: all runs that have ended are older."""


def echo() -> FlowManifest:
    return FlowManifest(steps={"a": Step(type="Echo", inputs={"value": 1})})


async def finish(orchestrator: FlowOrchestrator, count: int) -> None:
    runs = [await orchestrator.trigger("Scenario") for _ in range(count)]
    await asyncio.gather(*(run.wait(timeout=30) for run in runs))


async def test_runs_that_ended_are_deleted_in_batches_and_running_ones_stay(start: Start, world: World) -> None:
    gate = FlowManifest(steps={"a": Step(type="Gate")})
    echoes = await start(echo(), retention_batch=3)
    waiting = await (await start(gate)).trigger("Scenario")
    await finish(echoes, 7)
    told: list[int] = []

    assert await echoes.count_runs_before(SOON) == 7
    assert await echoes.delete_runs_before(SOON, deleted=told.append) == 7

    assert told == [3, 6, 7]
    assert await echoes.count_runs_before(SOON) == 0
    world.open_gate("a")
    assert (await waiting.wait(timeout=30)).succeeded


async def test_runs_younger_than_asked_for_stay(start: Start) -> None:
    orchestrator = await start(echo())
    await finish(orchestrator, 2)

    assert await orchestrator.delete_runs_before(timedelta(hours=1)) == 0
    assert await orchestrator.delete_runs_before(datetime(2020, 1, 1, tzinfo=UTC)) == 0
    assert len((await orchestrator.list_runs()).runs) == 2


async def test_an_idempotency_key_is_remembered_longer_than_its_run(start: Start) -> None:
    orchestrator = await start(echo())
    first = await orchestrator.trigger("Scenario", idempotency_key="k")
    await first.wait(timeout=30)
    await orchestrator.delete_runs_before(SOON)

    again = await orchestrator.trigger("Scenario", idempotency_key="k")

    assert (again.run_id, again.duplicate) == (first.run_id, True)
    with pytest.raises(RunNotFound):
        await again.status()


async def test_the_engine_deletes_by_itself_what_it_need_not_keep(start: Start) -> None:
    orchestrator = await start(echo(), keep_runs_days=0.5 / 86_400, retention_interval_seconds=0.05)
    await finish(orchestrator, 5)

    async with asyncio.timeout(30):
        while (await orchestrator.list_runs()).runs:  # noqa: ASYNC110 - the engine tells nobody
            await asyncio.sleep(0.02)


async def test_a_moment_without_a_time_zone_is_refused(start: Start) -> None:
    orchestrator = await start(echo())
    with pytest.raises(ConfigurationError, match="has no time zone"):
        await orchestrator.delete_runs_before(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test
