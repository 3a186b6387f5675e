"""What the handlers of a history do: take their time, look around, and end as the story has it."""

from __future__ import annotations

import asyncio
from functools import partial

from floworch.core.handlers.builtin.run_flow import run_flow
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.lookup import Handlers
from floworch.core.handlers.registry import HandlerRegistry
from floworch.core.handlers.results import StepResult
from floworch.core.handlers.services import Services
from floworch.core.handlers.spec import polling_handler
from floworch.core.model.payload import Json
from tests.simulation.cluster.node import NODE, Node
from tests.simulation.cluster.witness import Execution
from tests.simulation.specs import Outcome, script_place

__all__ = ["work_handlers"]


class Boom(Exception):
    """A handler fails."""


def work_handlers() -> Handlers:
    registry = HandlerRegistry()
    registry.add("Work", work)
    registry.add(run_flow)
    registry.add("Ask", polling_handler("Ask")(partial(work)))
    return registry.build(Services())


async def work(ctx: StepContext, seen: Json, item: Json = None) -> Json:
    node = NODE.get()
    execution: Execution | None = None
    try:
        execution = node.witness.begin(node.name, ctx.run_id, ctx.step_key, ctx.attempt, node.runtime.concurrency)
        node.witness.check_inputs(execution, seen, item)
        await _take_time(node, ctx)
        return _end(node, execution)
    except AssertionError as error:
        node.witness.broken(error)
        raise
    finally:
        if execution is not None:
            node.witness.end(execution)


async def _take_time(node: Node, ctx: StepContext) -> None:
    seconds = node.chance.choice([0.0, 0.0, 0.0, 0.1, 1.0, 3.0, 20.0])
    match node.chance.choice(["deaf", "listening", "stubborn"]):
        case "listening":
            await _sleep_unless_cancelled(ctx, seconds)
        case "stubborn":
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                await asyncio.sleep(1.0)
                raise
        case _:
            await asyncio.sleep(seconds)


async def _sleep_unless_cancelled(ctx: StepContext, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await ctx.cancelled.wait()
    except TimeoutError:
        return


def _end(node: Node, execution: Execution) -> Json:
    story = node.witness.runs[execution.run_id].story
    return _result(node, story.script.outcome(*script_place(execution.step_key), execution.number))


def _result(node: Node, outcome: Outcome) -> Json:
    match outcome.kind:
        case "succeed":
            return outcome.output
        case "fail":
            if node.chance.random() < 0.5:
                return StepResult.failed("it went boom", type="Boom")
            raise Boom("it went boom")
        case "skip":
            return StepResult.skipped("nothing to do")
        case "refuse":
            raise AssertionError("no handler ends like this")
        case "defer":
            return StepResult.deferred(node.chance.choice([0.0, 0.5, 6.0]))
