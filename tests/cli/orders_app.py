"""An application as the tests of the command line use it: its storage is a file that the environment names."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from uuid import UUID

from floworch import (
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    ManualTrigger,
    Step,
    StepContext,
    StepStatus,
    step_handler,
)
from floworch.builder import FlowOrchestratorBuilder


@step_handler("Price")
async def price(ctx: StepContext, item: int) -> dict[str, int]:
    if item < 0:
        raise ValueError(f"the item {item} has no price")
    ctx.log.info("priced", item=item)
    return {"item": item, "price": item * 10}


@step_handler("WaitForever")
async def wait_forever() -> None:
    _say_that_it_waits()
    await asyncio.Event().wait()


@step_handler("BlockForever")
def block_forever() -> None:
    _say_that_it_waits()
    threading.Event().wait()


def _say_that_it_waits() -> None:
    sys.stderr.write("handler waits\n")
    sys.stderr.flush()


class Orders(FlowDefinition):
    id = UUID(int=1)
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "hello": Step(type="LogMessage", inputs={"message": "@triggerBody()?.customer"}),
            "items": ForEach(
                run_after=["hello"],
                for_each="@coalesce(triggerBody()?.items, split('1,2', ','))",
                concurrency_limit=2,
                steps={"price": Step(type="Price", inputs={"item": "@int(item())"})},
            ),
            "sorry": Step(
                type="LogMessage", run_after={"items": [StepStatus.FAILED]}, inputs={"message": "no price, no order"}
            ),
            "confirm": Step(type="LogMessage", run_after=["items"], inputs={"message": "ordered"}),
        },
    )


class Fails(FlowDefinition):
    id = UUID(int=2)
    manifest = FlowManifest(
        steps={"price": Step(type="Price", inputs={"item": -1}), "after": Step(type="LogMessage", run_after=["price"])}
    )


class Waits(FlowDefinition):
    id = UUID(int=3)
    manifest = FlowManifest(steps={"wait": Step(type="WaitForever")})


class Blocks(FlowDefinition):
    id = UUID(int=4)
    manifest = FlowManifest(steps={"block": Step(type="BlockForever")})


FLOWS = [Orders, Fails, Waits, Blocks]


def shared() -> FlowOrchestratorBuilder:
    """On the SQLite file that the environment names."""
    return _flows().use_sqlite(os.environ["ORDERS_DB"])


def in_memory() -> FlowOrchestrator:
    """Gone with the process."""
    return _flows().use_in_memory().build()


def _flows() -> FlowOrchestratorBuilder:
    builder = FlowOrchestrator.builder().use_asyncio_runtime(concurrency=4)
    builder.add_flow(*FLOWS).add_handlers(price, wait_forever, block_forever)
    drain_seconds = float(os.environ.get("ORDERS_DRAIN", "0.05"))
    return builder.configure(poll_interval_seconds=0.05, cancel_grace_seconds=0.1, drain_seconds=drain_seconds)
