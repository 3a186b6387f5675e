"""SIGTERM: a worker finishes what it can, and hands back the rest for others to take at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from floworch import RunStatus
from tests.chaos.app import build
from tests.chaos.effects import EffectTable
from tests.chaos.flows import Held, all_runs
from tests.chaos.processes import Worker
from tests.chaos.verdict import check_everything

pytestmark = pytest.mark.chaos

NO_LEASE_RUNS_OUT = {"FLOWORCH_CHAOS_LEASE_SECONDS": "600"}
RUNS = 140


async def test_a_step_that_does_not_end_in_time_is_handed_back(
    database: str, start_worker: Callable[..., Worker]
) -> None:
    client = build(database, None)
    await client.start(work=False)
    try:
        first = start_worker(database, database, **NO_LEASE_RUNS_OUT)
        run = await client.trigger(Held)
        first.wait_for("holds 1")
        second = start_worker(database, database, **NO_LEASE_RUNS_OUT)
        second.wait_for("started")
        first.terminate()
        first.finish()
        second.wait_for("holds 2")
        EffectTable(database).open_gate(2)
        result = await run.wait(timeout=30)
        assert result.status is RunStatus.SUCCEEDED
        kinds = [event.type async for event in run.events(follow=False) if event.step_key == "held"]
        assert "step.released" in kinds
        assert "step.lost" not in kinds
    finally:
        await client.stop()


async def test_workers_that_are_replaced_one_after_the_other_lose_nothing(
    database: str, start_worker: Callable[..., Worker]
) -> None:
    """With leases that never run out, whatever a stopping worker forgot to hand back would never be done."""
    trigger = ("--trigger", f"0:{RUNS}:1")
    workers = [start_worker(database, database, *trigger, **NO_LEASE_RUNS_OUT) for _ in range(2)]
    for _ in range(4):
        workers.append(start_worker(database, database, *trigger, **NO_LEASE_RUNS_OUT))
        oldest = workers.pop(0)
        oldest.wait_for("started")
        oldest.terminate()
        oldest.finish()
    start_worker(database, database, "--until-done", str(all_runs(RUNS)), **NO_LEASE_RUNS_OUT).finish()

    lost = await check_everything(database, EffectTable(database).all(), runs=all_runs(RUNS), paused=frozenset())
    assert lost == 0
