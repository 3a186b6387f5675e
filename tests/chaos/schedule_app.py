"""The application whose schedules the chaos tests kill.

Run as ``python -m tests.chaos.schedule_app TARGET START:SECONDS:SCHEDULES``: so many schedules, a tick every second
from START (seconds since 1970) on. It prints ``started`` and works until it is stopped or killed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, IntervalTrigger, Step
from floworch.errors import StorageUnavailable
from tests.chaos.speech import say

__all__ = ["build"]


def build(target: str, plan: str) -> FlowOrchestrator:
    """The orchestrator; the end of its ticks is ``start + seconds``, which is not one of them."""
    start, seconds, schedules = map(int, plan.split(":"))
    begin = datetime.fromtimestamp(start, UTC)
    every_second = IntervalTrigger(
        every=1, start=begin, end=begin + timedelta(seconds=seconds - 0.5), catch_up="all", catch_up_limit=10_000
    )
    manifest = FlowManifest(
        triggers={f"second-{number}": every_second for number in range(schedules)},
        steps={"say": Step(type="LogMessage", inputs={"message": "@trigger().scheduledAt", "level": "debug"})},
    )
    builder = FlowOrchestrator.builder()
    if target.startswith("postgresql"):
        builder.use_postgresql(target)
    else:
        builder.use_sqlite(target, synchronous="OFF")
    builder.add_flow(FlowDefinition(id=UUID(int=77), name="Ticking", manifest=manifest))
    return (
        builder.use_asyncio_runtime()
        .configure(poll_interval_seconds=0.25, lease_seconds=2, heartbeat_seconds=0.5)
        .build()
    )


async def main(target: str, plan: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while True:
        orchestrator = build(target, plan)
        try:
            await orchestrator.start()
            break
        except StorageUnavailable:
            await asyncio.sleep(0.2)
    say("started")
    await stop.wait()
    await orchestrator.stop()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.exit(asyncio.run(main(*sys.argv[1:3])))
