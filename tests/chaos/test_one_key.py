"""Hundreds of clients in several processes trigger with one idempotency key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.app import build
from tests.chaos.processes import Worker

pytestmark = pytest.mark.chaos

PROCESSES = 4


async def test_one_key_is_one_run_whoever_triggers(database: str, start_worker: Callable[..., Worker]) -> None:
    workers = [start_worker(database, database, "--key", "the-key") for _ in range(PROCESSES)]
    for worker in workers:
        worker.wait_for("triggered")

    told = [line for worker in workers for line in worker.printed.splitlines() if line.startswith("runs ")]
    assert len(told) == PROCESSES
    assert len(set(told)) == 1, "every client of every process was given the same run"
    assert sum(worker.has_printed("first 1") for worker in workers) == 1, "and one of them has started it"

    orchestrator = build(database, None)
    await orchestrator.start(work=False)
    try:
        page = await orchestrator.list_runs()
        assert [f"runs {run.id}" for run in page.runs] == [told[0]]
        events = [event async for event in orchestrator.events(page.runs[0].id)]
        assert [event.type for event in events].count("run.started") == 1
    finally:
        await orchestrator.stop()
