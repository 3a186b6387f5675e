"""A process is stopped in the middle of a step, for longer than its lease, and then goes on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import pytest

from floworch import FlowOrchestrator, RunStatus
from tests.chaos.app import LEASE_SECONDS, build
from tests.chaos.effects import EffectTable
from tests.chaos.flows import Held
from tests.chaos.processes import Worker, sleep, wait_until

pytestmark = pytest.mark.chaos

SLACK_SECONDS = 1.5
"""For polling and a busy machine, on top of a lease."""


@pytest.fixture
async def client(database: str) -> AsyncIterator[FlowOrchestrator]:
    """Triggers and asks; runs nothing."""
    orchestrator = build(database, None)
    await orchestrator.start(work=False)
    yield orchestrator
    await orchestrator.stop()


@pytest.mark.parametrize("successor_has_ended", [True, False])
async def test_what_it_completes_then_changes_nothing(
    database: str,
    client: FlowOrchestrator,
    start_worker: Callable[..., Worker],
    successor_has_ended: bool,
    record_figure: Callable[[str], None],
) -> None:
    gates = EffectTable(database)
    paused = start_worker(database, database)
    run = await client.trigger(Held)
    paused.wait_for("holds 1")
    other = start_worker(database, database)
    other.wait_for("started")

    paused.pause()
    began = time.monotonic()
    other.wait_for("holds 2")
    detected_after = time.monotonic() - began
    record_figure(f"a paused worker's step was taken over after {detected_after:.2f} s (lease {LEASE_SECONDS:g} s)")
    assert detected_after < LEASE_SECONDS + SLACK_SECONDS

    if successor_has_ended:
        gates.open_gate(2)
        await run.wait(timeout=30)
    gates.open_gate(1)
    paused.resume()
    wait_until(lambda: "completion_fenced" in paused.printed, "the paused worker was told that it is too late")
    if not successor_has_ended:
        assert await run.status() is RunStatus.RUNNING
        gates.open_gate(2)

    result = await run.wait(timeout=30)
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["held"].output == {"process": other.pid, "attempt": 2}
    events = [event async for event in run.events(follow=False)]
    [lost] = [event for event in events if event.type == "step.lost"]
    assert f":{paused.pid}:" in lost.data["worker"]
    assert [event.data["attempt"] for event in events if event.type == "step.completed"] == [2, 1]


async def test_alone_it_keeps_its_step_and_completes_it(
    database: str, client: FlowOrchestrator, start_worker: Callable[..., Worker]
) -> None:
    """As on a laptop that was closed meanwhile: nobody has taken the step, so nothing is lost."""
    paused = start_worker(database, database)
    run = await client.trigger(Held)
    paused.wait_for("holds 1")
    paused.pause()
    sleep(1.5 * LEASE_SECONDS)
    paused.resume()
    sleep(0.5 * LEASE_SECONDS)
    EffectTable(database).open_gate(1)
    result = await run.wait(timeout=30)
    assert result.steps["held"].output == {"process": paused.pid, "attempt": 1}
    assert not [event async for event in run.events(follow=False) if event.type == "step.lost"]
