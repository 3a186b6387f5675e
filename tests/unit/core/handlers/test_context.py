from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from floworch.core.handlers import CancelSignal, Deferred, Services, StepContext, Succeeded
from floworch.core.model.payload import Payload
from floworch.errors import InvalidPayload
from tests.unit.core.handlers.support import NOW, RUN_ID, context, invoke


async def stored(key: str) -> Any:
    return {"of": key}


def test_the_facts_of_the_attempt_are_there() -> None:
    ctx = context(trigger_body=Payload.of({"a": 1}), trigger_headers=Payload.of({"X": "y"}))

    assert (ctx.trigger_body, ctx.trigger_headers, ctx.attempt, ctx.now) == ({"a": 1}, {"X": "y"}, 2, NOW)
    assert ctx.idempotency_key == f"{RUN_ID}:charge"
    assert (context().trigger_body, context().trigger_headers) == (None, {})


def test_the_log_is_bound_to_the_attempt() -> None:
    with capture_logs() as logs:
        context().log.info("card_charged")

    assert {"run_id": str(RUN_ID), "step_key": "charge", "attempt": 2}.items() <= logs[0].items()


def test_a_heartbeat_stores_the_last_progress_and_tells_the_engine() -> None:
    told: list[Payload | None] = []
    ctx = context(on_heartbeat=told.append)

    ctx.heartbeat()
    ctx.heartbeat({"done": 1})
    ctx.heartbeat()

    assert told == [None, Payload.of({"done": 1}), Payload.of({"done": 1})]
    with pytest.raises(InvalidPayload):
        ctx.heartbeat(b"no")


async def test_outputs_of_other_steps_are_read_from_coroutines_and_threads() -> None:
    async def on_loop(ctx: StepContext) -> Any:
        return await ctx.output_of("load")

    def on_thread(ctx: StepContext) -> Any:
        return ctx.output_of_blocking("load")

    for handler in (on_loop, on_thread):
        assert await invoke(handler, ctx=context(outputs=stored)) == Succeeded(Payload.of({"of": "load"}))


async def test_reading_an_output_never_blocks_the_loop() -> None:
    with pytest.raises(RuntimeError, match="would block the event loop"):
        context(outputs=stored).output_of_blocking("load")
    with pytest.raises(RuntimeError, match="as an input instead"):
        await context().output_of("load")


async def test_a_handler_may_defer_itself_and_ask_for_services() -> None:
    services = Services()
    services.add("a service")

    async def handler(ctx: StepContext) -> Any:
        return ctx.defer(30, output=ctx.service(str))

    outcome = await invoke(handler, ctx=context(services=services))

    assert isinstance(outcome, Deferred)
    assert (outcome.after.total_seconds(), outcome.output) == (30, Payload.of("a service"))


async def test_a_cancel_signal_wakes_coroutines_and_threads() -> None:
    signal = CancelSignal()
    coroutine = asyncio.create_task(signal.wait())
    thread = asyncio.create_task(asyncio.to_thread(signal.wait_blocking, 30))
    await asyncio.sleep(0)

    assert not signal.wait_blocking(0)
    await asyncio.to_thread(signal.set, "enough")
    signal.set("again")

    assert await thread is True
    await coroutine
    await signal.wait()
    assert (signal.is_set(), signal.reason) == (True, "enough")


def test_raise_if_cancelled_says_why() -> None:
    ctx = context()
    ctx.raise_if_cancelled()
    ctx.cancelled.set("the run was cancelled")

    with pytest.raises(asyncio.CancelledError, match="the run was cancelled"):
        ctx.raise_if_cancelled()
