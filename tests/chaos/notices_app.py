"""An application whose failed runs a webhook is told of, and which dies at a chosen point of that.

Run as ``python -m tests.chaos.notices_app TARGET WEBHOOK POINT [FROM:TO:STEP]``. It triggers runs, all of which fail,
and prints ``triggered``. At the point it prints ``at POINT`` and kills itself; with ``none`` it goes on until it is
killed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, Step, StepContext, step_handler
from floworch.core.ports.clock import Clock
from floworch.core.ports.notices import DueNotices
from floworch.notifiers import WebhookNotifier
from floworch.storage.sql import SqlStorage
from tests.chaos.speech import say

__all__ = ["FLOW_ID", "build"]

FLOW_ID = UUID(int=0xF1)
_LEASE_SECONDS = 2.0


class Point:
    """Where the process dies."""

    def __init__(self, name: str) -> None:
        self.name = name

    def reached(self, name: str) -> None:
        if name == self.name:
            say(f"at {name}")
            os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(SqlStorage):
    """One whose process dies before or after it has written something about a notice."""

    point = Point("none")

    async def due_notices(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueNotices:
        found = await super().due_notices(now, limit, flow_ids)
        if found.due:
            self.point.reached("ended")
        return found

    async def move_notice(self, run_id: UUID, seen: datetime, at: datetime | None, tries: int) -> bool:
        if at is None:
            self.point.reached("told")
        is_moved = await super().move_notice(run_id, seen, at, tries)
        self.point.reached("claimed")
        return is_moved


@step_handler("Fail")
async def fail(ctx: StepContext) -> None:
    raise ValueError(f"{ctx.trigger_body} is no good")


def build(target: str, webhook: str | None, point: str = "none") -> FlowOrchestrator:
    """Without a ``webhook`` for asking only."""

    def store(clock: Clock) -> SqlStorage:
        is_file = not target.startswith("postgresql")
        made = MortalStore.sqlite(target, clock=clock) if is_file else MortalStore.postgresql(target, clock=clock)
        assert isinstance(made, MortalStore)
        made.point = Point(point)
        return made

    builder = FlowOrchestrator.builder().use_storage(store).use_asyncio_runtime(concurrency=8)
    builder.add_flow(FlowDefinition(id=FLOW_ID, name="Fails", manifest=FlowManifest(steps={"a": Step(type="Fail")})))
    if webhook is not None:
        builder.on_failure(WebhookNotifier(webhook, timeout=2.0))
    settings: dict[str, Any] = {"lease_seconds": _LEASE_SECONDS, "heartbeat_seconds": _LEASE_SECONDS / 4}
    settings |= {"poll_interval_seconds": 0.1, "idle_poll_seconds": 0.25, "max_lost_attempts": 1000}
    return builder.add_handlers(fail).configure(**settings, notice_timeout_seconds=3.0).build()


async def main(target: str, webhook: str, point: str, numbers: range) -> None:
    async with build(target, webhook, point) as orchestrator:
        say("started")
        for number in numbers:
            await orchestrator.trigger(FLOW_ID, body=number, idempotency_key=f"run-{number}")
        say("triggered")
        await asyncio.Event().wait()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    given = range(*map(int, sys.argv[4].split(":"))) if len(sys.argv) > 4 else range(0)
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], given))
