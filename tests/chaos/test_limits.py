"""Two hundred runs of twenty tenants, two steps of each at once, on three processes that are killed at random."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from random import Random
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest

from floworch import FlowOrchestrator, RunStatus
from tests.chaos.limits_app import PER_TENANT, STEPS, Spans, build
from tests.chaos.processes import Worker

pytestmark = pytest.mark.chaos

RUNS, TENANTS, PROCESSES = 200, 20, 3
_PATIENCE_SECONDS = 240.0


class Span(NamedTuple):
    """One attempt by the ledger. One without an end was killed."""

    run_id: UUID
    step_key: str
    attempt: int
    tenant: str
    began_at: datetime
    ended_at: datetime | None


async def test_no_tenant_ever_has_more_than_its_share(
    database: str, start_worker: Callable[..., Worker], record_figure: Callable[[str], None]
) -> None:
    Spans(database).create()
    chance = Random(20)

    def start_one() -> Worker:
        return start_worker(database, database, module="tests.chaos.limits_app")

    workers = [start_one() for _ in range(PROCESSES)]
    for worker in workers:
        worker.wait_for("started")
    orchestrator = build(database, None)
    await orchestrator.start(work=False)
    try:
        began = time.monotonic()
        for number in range(RUNS):
            await orchestrator.trigger("Tenants", body={"tenant": f"tenant-{number % TENANTS}"})
        kills = 0
        while (await orchestrator.count_runs())[RunStatus.RUNNING]:
            assert time.monotonic() < began + _PATIENCE_SECONDS, f"not over; {await orchestrator.limits.list()}"
            await asyncio.sleep(chance.uniform(0.2, 2.0))
            victim = chance.randrange(PROCESSES)
            if workers[victim].has_printed("started"):  # or the death of processes would leave no time for any work
                workers[victim].kill()
                workers[victim] = start_one()
                kills += 1
        seconds = time.monotonic() - began
        assert (await orchestrator.count_runs())[RunStatus.SUCCEEDED] == RUNS
        killed = await _check_ledger(orchestrator, database)
        assert not any(status.running or status.waiting for status in await orchestrator.limits.list())
    finally:
        await orchestrator.stop()
    record_figure(
        f"limits: {RUNS} runs of {TENANTS} tenants, {PER_TENANT} steps at once each, on {PROCESSES} processes: "
        f"{RUNS * STEPS / seconds:.0f} steps/s, {kills} kills, {killed} attempts killed"
    )


async def _check_ledger(orchestrator: FlowOrchestrator, database: str) -> int:
    """Number of attempts that were killed. An attempt counts until its end or until its lease was lost: from then on it
    has no slot any more, whatever its process does."""
    with psycopg.connect(database) as connection:
        spans = [Span(*row) for row in connection.execute("SELECT * FROM span")]
    lost_at = {
        (run_id, event.step_key, event.data["attempt"]): event.at
        for run_id in {span.run_id for span in spans}
        async for event in orchestrator.events(run_id, follow=False)
        if event.type == "step.lost"
    }
    by_tenant: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for span in spans:
        ends = [at for at in (span.ended_at, lost_at.get(span[:3])) if at is not None]
        assert ends, f"{span} has neither an end nor lost its lease"
        by_tenant[span.tenant].append((span.began_at, min(ends)))
    most = {tenant: _most_at_once(found) for tenant, found in by_tenant.items()}
    assert len(most) == TENANTS
    assert set(most.values()) == {PER_TENANT}, most
    return sum(span.ended_at is None for span in spans)


def _most_at_once(spans: Iterable[tuple[datetime, datetime]]) -> int:
    # An end comes before a beginning at the same instant.
    changes = sorted([*((began, 1) for began, _ in spans), *((ended, -1) for _, ended in spans)])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
