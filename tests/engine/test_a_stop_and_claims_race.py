"""A run is cancelled in one process while another one takes its steps: what it has taken ends, and nothing follows."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from floworch import RunStatus, Step, StepContext, StepStatus
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, BatchResult, Storage
from tests.engine.workbench import FLOW_ID, SharedMemory, running

STEPS = 40


class Slow(SharedMemory):
    """A commit takes its time on the way, so that those of two processes overtake each other."""

    async def commit(self, batch: Batch) -> BatchResult:
        await asyncio.sleep(0.01 if batch.advances else 0.02)
        return await super().commit(batch)


class OneStore:
    def __init__(self) -> None:
        self.store: Slow | None = None

    def __call__(self, clock: Clock) -> Storage:
        self.store = self.store or Slow(clock)
        return self.store


@pytest.mark.parametrize("after_ms", range(0, 100, 10))
async def test_each_step_is_either_taken_once_or_skipped_by_the_cancel(after_ms: int) -> None:
    started: Counter[str] = Counter()

    async def work(ctx: StepContext) -> None:
        started[ctx.step_key] += 1
        await asyncio.sleep(0.03)

    steps = {f"s{number}": Step(type="Work") for number in range(STEPS)}
    settings: dict[str, Any] = {"store": OneStore(), "poll_interval_seconds": 0.01, "concurrency": 4}
    async with (
        running(steps, {"Work": work}, worker_id="a", **settings) as one,
        running(steps, {"Work": work}, worker_id="b", **settings) as other,
    ):
        run = await one.trigger(FLOW_ID)
        await asyncio.sleep(after_ms / 1000)
        await other.cancel(run.run_id, "enough")
        result = await run.wait()
    assert result.status is RunStatus.CANCELLED
    assert max(started.values(), default=0) <= 1
    skipped = [key for key, step in result.steps.items() if step.status is StepStatus.SKIPPED]
    assert skipped
    assert not set(skipped) & started.keys()
