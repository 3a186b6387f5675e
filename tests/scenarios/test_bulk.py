"""Doing the same to many runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from floworch import FlowManifest, FlowOrchestrator, RunStatus, Step
from floworch.bulk import BulkProgress
from floworch.errors import BulkInterrupted, ConfigurationError
from tests.scenarios.world import HANDLERS, World, flow_of

Start = Callable[..., Any]

GATE = FlowManifest(steps={"gate": Step(type="Gate")})
ECHO = FlowManifest(steps={"tell": Step(type="Echo", inputs={"value": 1})})


async def several(process: FlowOrchestrator, count: int, **arguments: Any) -> list[UUID]:
    return [(await process.trigger("Scenario", **arguments)).run_id for _ in range(count)]


async def statuses(process: FlowOrchestrator, run_ids: list[UUID]) -> list[RunStatus]:
    return [(await process.wait(run_id, timeout=20)).status for run_id in run_ids]


async def test_runs_are_chosen_by_conditions_and_what_starts_meanwhile_is_not_among_them(start: Start) -> None:
    process = await start(GATE)
    chosen, others = await several(process, 3, priority=1), await several(process, 2)
    await process.cancel(others[0])
    await process.wait(others[0], timeout=20)
    selection = process.select(flow="Scenario", status=RunStatus.RUNNING)
    assert await selection.count() == 4

    report = await selection.cancel("enough", by="ann")

    assert (report.done, report.refused, report.is_aborted) == (4, {}, False)
    assert set(await statuses(process, [*chosen, *others])) == {RunStatus.CANCELLED}


async def test_many_pages_are_gone_through_and_no_run_twice(start: Start) -> None:
    process = await start(GATE)
    await several(process, 205)
    told: list[BulkProgress] = []
    report = await process.select(flow="Scenario").suspend("pause", progress=told.append)
    assert (report.done, report.refused) == (205, {})
    assert [each.done for each in told] == list(range(1, 206))
    assert await process.select(suspended=True).count() == 205


async def test_runs_that_refuse_are_told_and_the_others_go_on(start: Start) -> None:
    process = await start(ECHO)
    ended = await process.trigger("Scenario")
    await ended.wait(20)
    unknown = UUID(int=7)
    report = await process.select([ended.run_id, unknown]).cancel()
    assert report.done == 0
    assert report.refused == {
        ended.run_id: f"the run {ended.run_id} has already ended Succeeded",
        unknown: f"there is no run {unknown}",
    }


async def test_failed_runs_are_retried_together(start: Start, world: World) -> None:
    world.broken.add("tell")
    process = await start(ECHO)
    failed = await several(process, 3)
    assert set(await statuses(process, failed)) == {RunStatus.FAILED}
    world.broken.clear()
    report = await process.select(status=RunStatus.FAILED).retry_failed()
    assert report.done == 3
    assert set(await statuses(process, failed)) == {RunStatus.SUCCEEDED}


async def test_no_further_run_is_begun_after_an_abort(start: Start) -> None:
    process = await start(GATE)
    await several(process, 60)
    abort = asyncio.Event()
    report = await process.select(flow="Scenario").suspend(progress=lambda _: abort.set(), abort=abort)
    assert report.is_aborted
    assert 1 <= report.done < 60
    assert await process.select(suspended=True).count() == report.done


async def test_when_the_storage_fails_the_error_tells_what_was_done(world: World) -> None:
    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime().add_flow(flow_of(GATE))
    async with builder.add_handlers(*HANDLERS).add_service(world).configure(drain_seconds=0.1).build() as process:
        run_ids = await several(process, 3)
    with pytest.raises(BulkInterrupted, match="after 0 runs: the engine has stopped") as interrupted:
        await process.select(run_ids).suspend()
    assert (interrupted.value.report.done, interrupted.value.report.refused) == (0, {})


async def test_a_selection_is_never_all_runs_by_mistake(start: Start) -> None:
    process = await start(ECHO)
    for wrong in ({}, {"ids": [UUID(int=1)], "flow": "Scenario"}):
        with pytest.raises(ConfigurationError, match="ids of runs or conditions"):
            process.select(**wrong)
