"""Two releases of one application. Run as ``python -m tests.chaos.deploy_app URL RELEASE NUMBER_OF_TRIGGERS``."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any
from uuid import UUID

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, Step, StepContext, step_handler
from tests.chaos.speech import say

__all__ = ["CHANGED", "NEW", "OLD", "build"]

CHANGED, OLD, NEW = UUID(int=0xD1), UUID(int=0xD2), UUID(int=0xD3)


@step_handler("Both")
async def both(ctx: StepContext) -> str:
    return ctx.step_key


@step_handler("OldOnly")
async def old_only(ctx: StepContext) -> str:
    return ctx.step_key


@step_handler("NewOnly")
async def new_only(ctx: StepContext) -> str:
    return ctx.step_key


def _flow(flow_id: UUID, name: str, *types: str) -> FlowDefinition:
    steps = {
        f"s{place}": Step(type=step_type, run_after=[f"s{place - 1}"] if place else [])
        for place, step_type in enumerate(types)
    }
    return FlowDefinition(id=flow_id, name=name, manifest=FlowManifest(steps=steps))


RELEASES: dict[str, tuple[list[FlowDefinition], list[Any]]] = {
    "old": (
        [_flow(CHANGED, "Changed", "Both", "OldOnly", "Both"), _flow(OLD, "Old", "Both", "Both")],
        [both, old_only],
    ),
    "new": (
        [_flow(CHANGED, "Changed", "Both", "NewOnly", "Both", "Both"), _flow(NEW, "New", "Both", "Both")],
        [both, new_only],
    ),
}


def build(url: str, release: str) -> FlowOrchestrator:
    flows, handlers = RELEASES[release]
    return (
        FlowOrchestrator.builder()
        .use_postgresql(url)
        .use_asyncio_runtime(concurrency=4)
        .add_flow(*flows)
        .add_handlers(*handlers)
        .configure(poll_interval_seconds=0.1, worker_id=f"{release} release")
        .build()
    )


async def main(url: str, release: str, triggers: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with build(url, release) as orchestrator:
        say("started")
        flows, _ = RELEASES[release]
        for number in range(triggers):
            await orchestrator.trigger(flows[number % len(flows)])
        say("triggered")
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
