"""Whoever dies between the end of a failed run and the notice of it, or in the middle of that: somebody is told.

A notice that was begun is left alone for a while. The tests do not wait for that: when no process lives that could have
begun one, they let the marks be due.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from floworch import FlowOrchestrator, RunStatus
from floworch.core.ports.clock import SystemClock
from tests.chaos.notices_app import FLOW_ID, build
from tests.chaos.processes import Worker, sleep, wait_until
from tests.servers.http import Answer, Asked, Server, serving

pytestmark = pytest.mark.chaos
APP = "tests.chaos.notices_app"
RUNS, PROCESSES, KILLS = 150, 3, 5


@pytest.fixture
def webhook() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.mark.parametrize("point", ["ended", "claimed", "told"])
async def test_another_process_tells_of_a_run_whose_process_has_died(
    point: str, webhook: Server, tmp_path: Path, start_worker: Callable[..., Worker]
) -> None:
    target = str(tmp_path / "flows.db")
    worker = start_worker(target, webhook.url, point, "0:1", module=APP)
    wait_until(lambda: not worker.is_running, "the worker dies")
    assert worker.has_printed(f"at {point}"), worker.printed
    assert len(webhook.asked) == (point == "told")

    await _check_that_survivors_tell(target, webhook, start_worker, runs=1)
    assert len(webhook.asked) == 1 + (point == "told")


async def test_a_process_that_dies_while_the_webhook_answers(
    webhook: Server, tmp_path: Path, start_worker: Callable[..., Worker]
) -> None:
    target = str(tmp_path / "flows.db")
    began: list[Asked] = []

    def kill_who_asks(asked: Asked) -> Answer:
        began.append(asked)
        worker.kill()
        return Answer()

    webhook.answer = kill_who_asks
    worker = start_worker(target, webhook.url, "none", "0:1", module=APP)
    wait_until(lambda: not worker.is_running, "the worker dies")
    assert len(began) == 1

    webhook.answer = lambda asked: Answer()
    await _check_that_survivors_tell(target, webhook, start_worker, runs=1)
    assert len({asked.headers["idempotency-key"] for asked in webhook.asked}) == 1
    assert len(webhook.asked) == 2


async def test_every_failed_run_is_told_of_whoever_is_killed(
    database: str, webhook: Server, start_worker: Callable[..., Worker], record_figure: Callable[[str], None]
) -> None:
    chance = Random(7)
    webhook.answer = lambda asked: _slowly(chance)

    def start(number: int) -> Worker:
        return start_worker(database, webhook.url, "none", f"{number}:{RUNS}:{PROCESSES}", module=APP)

    workers = [start(number) for number in range(PROCESSES)]
    kills = 0
    while kills < KILLS:
        victim = chance.randrange(PROCESSES)
        sleep(chance.uniform(0.1, 0.8))
        if workers[victim].has_printed("started"):
            workers[victim].kill()
            workers[victim] = start(victim)
            kills += 1
    for worker in workers:
        worker.wait_for("triggered")
    async with _asking(database) as orchestrator:
        await _until_all_have_failed(orchestrator, RUNS)
    for worker in workers:
        worker.kill()

    told_by_the_dead = len(webhook.asked)
    webhook.answer = lambda asked: Answer()
    await _check_that_survivors_tell(database, webhook, start_worker, runs=RUNS)
    record_figure(
        f"failure notices: {RUNS} runs, {kills} kills, {len(webhook.asked)} requests, "
        f"{len(webhook.asked) - told_by_the_dead} of them by the survivor"
    )


def _slowly(chance: Random) -> Answer:
    """A webhook that takes its time, and is not always well."""
    sleep(chance.uniform(0.0, 0.2))
    return Answer(503 if chance.random() < 0.1 else 200)


async def _check_that_survivors_tell(
    target: str, webhook: Server, start_worker: Callable[..., Worker], *, runs: int
) -> None:
    """Every run is told of, under one name each, and then nothing is left to tell."""
    async with _asking(target) as orchestrator:
        await _let_time_pass(orchestrator)
        start_worker(target, webhook.url, "none", module=APP)
        await _until_nothing_is_left(orchestrator)
        page = await orchestrator.list_runs(limit=runs + 1)
        failed = {str(run.id) for run in page.runs if run.status is RunStatus.FAILED}
    assert len(failed) == runs
    names: defaultdict[str, set[str]] = defaultdict(set)
    for asked in webhook.asked:
        names[json.loads(asked.body)["run"]["id"]].add(asked.headers["idempotency-key"])
    assert names.keys() == failed
    assert {len(each) for each in names.values()} == {1}


async def _until_all_have_failed(orchestrator: FlowOrchestrator, runs: int) -> None:
    async with asyncio.timeout(60):
        while (await orchestrator.count_runs())[RunStatus.FAILED] < runs:  # noqa: ASYNC110 - others end them
            await asyncio.sleep(0.1)


async def _let_time_pass(orchestrator: FlowOrchestrator) -> None:
    """For notices that somebody has begun who is dead, or that a webhook has refused."""
    store, now = orchestrator.storage, SystemClock().now()
    marks = await store.due_notices(now + timedelta(days=1), RUNS, frozenset({FLOW_ID}))
    for notice in marks.due:
        assert await store.move_notice(notice.run_id, notice.at, now, notice.tries)


async def _until_nothing_is_left(orchestrator: FlowOrchestrator) -> None:
    async with asyncio.timeout(60):
        while True:
            tomorrow = SystemClock().now() + timedelta(days=1)
            if not (await orchestrator.storage.due_notices(tomorrow, 1, frozenset({FLOW_ID}))).due:
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _asking(target: str) -> AsyncIterator[FlowOrchestrator]:
    """An orchestrator that only asks."""
    orchestrator = build(target, None)
    await orchestrator.start(work=False)
    try:
        yield orchestrator
    finally:
        await orchestrator.stop()
