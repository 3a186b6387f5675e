from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from floworch import ForEach, InvalidTransition, RunStatus, Step, StepNotFound, StepStatus
from floworch.errors import PayloadTooLarge
from tests.engine.workbench import FLOW_ID, chain, running


async def outcome_of(handler: Any, **settings: Any) -> tuple[RunStatus, str]:
    async with running(chain("Work"), {"Work": handler}, **settings) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
        error = result.steps["s0"].error
    assert error is not None
    return result.status, error["type"]


async def leave() -> None:
    sys.exit(3)


async def interrupt() -> None:
    raise KeyboardInterrupt


async def cancel_oneself() -> None:
    raise asyncio.CancelledError


async def stop_iterating() -> None:
    raise StopIteration


async def return_an_object() -> object:
    return object()


async def return_nan() -> float:
    return float("nan")


async def return_much() -> str:
    return "x" * 2000


@pytest.mark.parametrize(
    ("handler", "error_type"),
    [
        (leave, "SystemExit"),
        (interrupt, "KeyboardInterrupt"),
        (cancel_oneself, "CancelledError"),
        (stop_iterating, "RuntimeError"),
        (return_an_object, "InvalidPayload"),
        (return_nan, "InvalidPayload"),
        (return_much, "PayloadTooLarge"),
    ],
)
async def test_whatever_a_handler_does_fails_its_step_and_not_the_engine(handler: Any, error_type: str) -> None:
    assert await outcome_of(handler, max_payload_bytes=1000) == (RunStatus.FAILED, error_type)


async def test_a_body_that_is_too_large_starts_nothing() -> None:
    async def work() -> None:
        return

    async with running(chain("Work"), {"Work": work}, max_payload_bytes=1000) as flows:
        with pytest.raises(PayloadTooLarge, match="limit is 1,000 bytes"):
            await flows.trigger(FLOW_ID, body="x" * 2000)
        assert (await flows.list_runs()).runs == []


async def test_an_input_that_cannot_be_evaluated_fails_the_step_without_calling_its_handler() -> None:
    calls: list[Any] = []

    async def work(value: Any) -> None:
        calls.append(value)

    steps = {"a": Step(type="Work", inputs={"value": "@int(triggerBody()?.n)"})}
    async with running(steps, {"Work": work}) as flows:
        result = await (await flows.trigger(FLOW_ID, body={"n": "many"})).wait()
    assert calls == []
    assert result.steps["a"].status is StepStatus.FAILED
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "ExpressionError"


async def test_a_condition_that_cannot_be_evaluated_fails_the_step() -> None:
    async def work() -> None:
        return

    steps = {"a": Step(type="Work", when="@triggerBody()?.n > 3")}
    async with running(steps, {"Work": work}) as flows:
        result = await (await flows.trigger(FLOW_ID, body={"n": "many"})).wait()
    assert result.status is RunStatus.FAILED


@pytest.mark.parametrize("key", ["nobody", "a.b", "a.0.b", "", "a.x.b.y.c", "l.7.w"])
async def test_retrying_a_step_that_does_not_exist_says_so(key: str) -> None:
    async def work() -> None:
        return

    loop = ForEach(for_each=[1], steps={"w": Step(type="Work")})
    async with running({**chain("Work"), "l": loop}, {"Work": work}) as flows:
        run = await flows.trigger(FLOW_ID)
        await run.wait()
        with pytest.raises(StepNotFound):
            await run.retry(key)


async def test_retrying_a_step_that_succeeded_and_cancelling_a_run_that_ended_are_refused() -> None:
    async def work() -> None:
        return

    async with running(chain("Work"), {"Work": work}) as flows:
        run = await flows.trigger(FLOW_ID)
        await run.wait()
        with pytest.raises(InvalidTransition, match="only failed steps"):
            await run.retry("s0")
        with pytest.raises(InvalidTransition, match="already ended"):
            await run.cancel()


async def test_two_failed_steps_of_one_ended_iteration_can_be_retried_at_once() -> None:
    luck: list[bool] = []

    async def work() -> None:
        if not luck:
            raise ValueError("no luck")

    body = {"p": Step(type="Work"), "q": Step(type="Work")}
    async with running({"l": ForEach(for_each=[1, 2], steps=body, concurrency_limit=2)}, {"Work": work}) as flows:
        run = await flows.trigger(FLOW_ID)
        assert (await run.wait()).status is RunStatus.FAILED
        luck.append(True)
        await asyncio.gather(*(run.retry(f"l.{index}.{name}") for index in (0, 1) for name in "pq"))
        result = await run.wait()
    assert result.status is RunStatus.SUCCEEDED
