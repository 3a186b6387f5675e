from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from floworch import (
    RetryLater,
    RetryPolicy,
    RunStatus,
    Step,
    StepContext,
    StepResult,
    StepStatus,
    WaitTimeout,
)
from tests.engine.workbench import FLOW_ID, chain, flow_of, running, seconds


class Boom(Exception):
    pass


async def test_retries_come_exactly_when_the_policy_says() -> None:
    starts: list[float] = []

    async def work() -> None:
        starts.append(seconds())
        raise Boom

    policy = RetryPolicy(max_attempts=4, backoff="exponential", initial=2, max=5, jitter=False)
    async with running({"a": Step(type="Work", retry=policy)}, {"Work": work}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
    assert starts == pytest.approx([0, 2, 6, 11])
    assert result.status is RunStatus.FAILED
    assert result.steps["a"].attempt == 4


async def test_the_next_attempt_waits_at_least_as_long_as_the_handler_says() -> None:
    starts: list[float] = []

    async def work() -> StepResult:
        starts.append(seconds())
        if len(starts) == 1:
            raise RetryLater("busy", after=30)
        return StepResult.failed("still busy", retry_after=timedelta(seconds=0.5))

    policy = RetryPolicy(max_attempts=3, backoff="exponential", initial=2, jitter=False)
    async with running({"a": Step(type="Work", retry=policy)}, {"Work": work}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
    assert starts == pytest.approx([0, 30, 34])
    assert result.status is RunStatus.FAILED


async def test_when_to_try_again_does_not_make_a_step_try_again() -> None:
    async def work() -> None:
        raise RetryLater("busy", after=30)

    async with running({"a": Step(type="Work")}, {"Work": work}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
    assert result.steps["a"].attempt == 1


async def test_a_delay_of_a_day_ends_to_the_second() -> None:
    async with running({"a": Step(type="Delay", inputs={"seconds": 86_400})}, {}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
    assert result.succeeded
    assert seconds() == pytest.approx(86_400)


async def test_a_step_that_was_deferred_knows_since_when_it_waits() -> None:
    seen: list[tuple[float, bool]] = []

    async def work(ctx: StepContext) -> object:
        seen.append((seconds(), ctx.first_started_at is None))
        return ctx.defer(10) if len(seen) < 3 else None

    async with running(chain("Work"), {"Work": work}) as flows:
        await (await flows.trigger(FLOW_ID)).wait()
    assert seen == [(0, True), (pytest.approx(10), False), (pytest.approx(20), False)]


async def test_a_handler_beyond_its_timeout_fails_when_the_time_is_up() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async with running({"a": Step(type="Hang", timeout=5)}, {"Hang": hang}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
        ended = seconds()
    assert ended == pytest.approx(5)
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "Timeout"


async def test_the_deadline_ends_a_run_that_waits() -> None:
    steps = {"a": Step(type="Delay", inputs={"seconds": 3600}), "b": Step(type="Delay", run_after=["a"])}
    async with running(flow_of(steps), {}) as flows:
        result = await (await flows.trigger(FLOW_ID, timeout=30)).wait()
        ended = seconds()
    assert result.status is RunStatus.TIMED_OUT
    assert {step.status for step in result.steps.values()} == {StepStatus.SKIPPED}
    assert ended == pytest.approx(30)


async def test_the_deadline_interrupts_a_running_handler_after_the_grace_period() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async with running(chain("Hang", "Hang"), {"Hang": hang}, cancel_grace_seconds=4) as flows:
        result = await (await flows.trigger(FLOW_ID, timeout=30)).wait()
        ended = seconds()
    assert result.status is RunStatus.TIMED_OUT
    assert ended == pytest.approx(34)


async def test_cancelling_asks_a_handler_first_and_interrupts_it_after_the_grace_period() -> None:
    asked: list[float] = []

    async def work(ctx: StepContext) -> None:
        await ctx.cancelled.wait()
        asked.append(seconds())
        await asyncio.Event().wait()

    async with running(chain("Work"), {"Work": work}, cancel_grace_seconds=7) as flows:
        run = await flows.trigger(FLOW_ID)
        await asyncio.sleep(1)
        await run.cancel("enough")
        result = await run.wait()
        ended = seconds()
    assert asked == [pytest.approx(1)]
    assert ended == pytest.approx(8)
    assert (result.status, result.run.stop_reason) == (RunStatus.CANCELLED, "enough")


async def test_a_handler_that_heeds_the_cancel_ends_the_run_at_once() -> None:
    async def work(ctx: StepContext) -> None:
        await ctx.cancelled.wait()

    async with running(chain("Work"), {"Work": work}, cancel_grace_seconds=7) as flows:
        run = await flows.trigger(FLOW_ID)
        await asyncio.sleep(1)
        await run.cancel()
        await run.wait()
        assert seconds() == pytest.approx(1)


async def test_wait_gives_up_after_its_timeout_and_the_run_goes_on() -> None:
    async with running({"a": Step(type="Delay", inputs={"seconds": 100})}, {}) as flows:
        run = await flows.trigger(FLOW_ID)
        with pytest.raises(WaitTimeout, match="has not ended after 3 seconds"):
            await run.wait(3)
        assert seconds() == pytest.approx(3)
        assert (await run.wait()).succeeded
        assert seconds() == pytest.approx(100)


async def test_wait_returns_at_once_for_a_run_that_has_ended() -> None:
    async with running({"a": Step(type="Delay", inputs={"seconds": 5})}, {}) as flows:
        run = await flows.trigger(FLOW_ID)
        await asyncio.sleep(50)
        assert (await run.wait(0.001)).succeeded
        assert seconds() == pytest.approx(50)


async def test_every_retry_gives_a_run_its_time_limit_once_more_and_never_a_longer_one() -> None:
    async def work() -> None:
        raise Boom

    async with running({"a": Step(type="Work")}, {"Work": work}) as flows:
        run = await flows.trigger(FLOW_ID, timeout=60)
        await run.wait()
        for after in (100, 300):
            await asyncio.sleep(after - seconds())
            await run.retry("a")
            again = await run.wait()
            deadline = again.run.deadline
            assert deadline is not None
            assert (deadline - again.started_at).total_seconds() == pytest.approx(after + 60)
        rerun = await (await run.rerun()).wait()
        assert rerun.run.deadline is not None
        assert (rerun.run.deadline - rerun.started_at).total_seconds() == pytest.approx(60)
