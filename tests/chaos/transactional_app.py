"""An application whose handler dies, or is paused, at a chosen point of its transaction.

Run as ``python -m tests.chaos.transactional_app TARGET TABLE POINT``. The first attempt of its step kills the process
at that point; with the point ``pause`` it stops it instead, and with ``none`` it goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, ManualTrigger, Step, StepContext, step_handler
from tests.chaos.speech import say

__all__ = ["FLOW_ID", "build"]

FLOW_ID = UUID(int=0x7D)
LEASE_SECONDS = 1.0


class Point:
    """Where the first attempt ends, and the table that attempts write to."""

    def __init__(self, name: str, table: str) -> None:
        self.name = name
        self.table = table

    def reached(self, name: str, attempt: int) -> None:
        if attempt == 1 and name == self.name:
            say(f"at {name}")
            os.kill(os.getpid(), signal.SIGSTOP if name == "pause" else signal.SIGKILL)


@step_handler("Write")
async def write(ctx: StepContext) -> int:
    point = ctx.service(Point)
    async with ctx.transaction() as tx:
        point.reached("start", ctx.attempt)
        await tx.execute(f"INSERT INTO {point.table} (name) VALUES (:name)", {"name": f"attempt {ctx.attempt}"})
        point.reached("statement", ctx.attempt)
        point.reached("pause", ctx.attempt)
    point.reached("end", ctx.attempt)
    if ctx.attempt == 1 and point.name == "commit":
        event.listen(sa.Engine, "commit", _die_at_commit)
    return ctx.attempt


def build(target: str, point: Point) -> FlowOrchestrator:
    builder = FlowOrchestrator.builder()
    if target.startswith("postgresql"):
        builder.use_postgresql(target)
    else:
        builder.use_sqlite(target)
    steps = {"write": Step(type="Write"), "after": Step(type="LogMessage", run_after=["write"])}
    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps)
    builder.use_asyncio_runtime().add_flow(FlowDefinition(id=FLOW_ID, name="Writes", manifest=manifest))
    builder.add_handlers(write).add_service(point)
    return builder.configure(
        lease_seconds=LEASE_SECONDS, heartbeat_seconds=LEASE_SECONDS / 4, poll_interval_seconds=0.1, drain_seconds=5
    ).build()


async def main(target: str, table: str, point: str) -> None:
    async with build(target, Point(point, table)) as orchestrator:
        say("started")
        run = await orchestrator.trigger(FLOW_ID, idempotency_key="the only one")
        result = await run.wait(timeout=60)
        say(f"{result.status} {result.steps['write'].output}")


def _die_at_commit(connection: sa.Connection) -> None:
    """In the handler's transaction everything is written, and nothing committed."""
    if threading.current_thread().name.startswith("floworch-sql-handler"):
        say("at commit")
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
