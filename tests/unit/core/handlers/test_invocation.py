from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from floworch import NonRetryable, StepContext, StepResult
from floworch.core.handlers import Deferred, Failed, HandlerThreads, Skipped, StepOutcome, Succeeded
from floworch.core.handlers.failures import plain_failure
from floworch.core.handlers.results import ResultKind
from floworch.core.model.payload import Payload
from tests.unit.core.handlers.support import begun, context, invoke

FLAVOUR: contextvars.ContextVar[str] = contextvars.ContextVar("flavour", default="plain")


def error_of(outcome: StepOutcome) -> Any:
    assert isinstance(outcome, Failed), outcome
    return outcome.error


async def async_double(value: int) -> int:
    return 2 * value


def sync_double(value: int) -> int:
    return 2 * value


class Doubler:
    async def __call__(self, value: int) -> int:
        return 2 * value


@pytest.mark.parametrize("handler", [async_double, sync_double, Doubler, Doubler(), Doubler().__call__])
async def test_every_form_of_handler_is_called_with_its_inputs(handler: Any) -> None:
    assert await invoke(handler, {"value": "21"}) == Succeeded(Payload.of(42))


RESULTS = [
    (None, Succeeded(Payload.of(None))),
    (StepResult.succeeded({"a": 1}), Succeeded(Payload.of({"a": 1}))),
    (StepResult.deferred(5), Deferred(timedelta(seconds=5))),
    (StepResult.deferred(timedelta(minutes=1), output=[1]), Deferred(timedelta(minutes=1), Payload.of([1]))),
    (StepResult.skipped("nothing to do"), Skipped("nothing to do")),
]


@pytest.mark.parametrize(("result", "outcome"), RESULTS)
async def test_a_result_becomes_its_outcome(result: Any, outcome: StepOutcome) -> None:
    async def handler() -> Any:
        return result

    assert await invoke(handler) == outcome


async def test_a_failed_result_has_its_type_and_no_traceback() -> None:
    async def handler() -> StepResult:
        return StepResult.failed("no money", type="PaymentRefused", retryable=False)

    error = error_of(await invoke(handler))

    assert (error.type, error.message, error.traceback, error.retryable) == ("PaymentRefused", "no money", None, False)


@pytest.mark.parametrize("result", [b"bytes", float("nan"), {1: 2}, object()])
async def test_a_result_that_cannot_be_stored_fails_the_step_for_good(result: Any) -> None:
    async def handler() -> Any:
        return result

    error = error_of(await invoke(handler))

    assert (error.type, error.retryable) == ("InvalidPayload", False)


async def test_a_result_beyond_the_limit_fails_the_step_for_good() -> None:
    async def handler() -> str:
        return "x" * 100

    error = error_of(await invoke(handler, max_output_bytes=50))

    assert (error.type, error.retryable) == ("PayloadTooLarge", False)
    assert "102 bytes as JSON; the limit is 50" in error.message


async def test_a_sync_handler_that_returns_a_coroutine_is_told_to_be_async() -> None:
    def handler() -> Any:
        return async_double(1)

    assert "must be an 'async def'" in error_of(await invoke(handler)).message


RAISED = [
    (ValueError("bad"), "ValueError", True),
    (NonRetryable("never"), "NonRetryable", False),
    (SystemExit(3), "SystemExit", True),
    (KeyboardInterrupt(), "KeyboardInterrupt", True),
    (asyncio.CancelledError(), "CancelledError", True),
    (StopIteration(), "StopIteration", True),
    (ValueError("half \ud800 and \0"), "ValueError", True),
]


@pytest.mark.parametrize(("raised", "error_type", "is_retryable"), RAISED, ids=lambda each: ascii(each))
async def test_whatever_a_sync_handler_raises_fails_the_attempt(
    raised: BaseException, error_type: str, is_retryable: bool
) -> None:
    def handler() -> None:
        raise raised

    error = error_of(await invoke(handler))

    assert (error.type, error.retryable) == (error_type, is_retryable)
    assert Payload.of(error.to_json()).value["type"] == error_type


@pytest.mark.parametrize(
    "raised", [ValueError("bad"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()], ids=ascii
)
async def test_whatever_an_async_handler_raises_fails_the_attempt(raised: BaseException) -> None:
    async def handler() -> None:
        raise raised

    assert error_of(await invoke(handler)).type == type(raised).__name__


async def test_an_error_keeps_the_names_of_its_classes_and_a_traceback_that_starts_in_the_handler() -> None:
    def handler() -> None:
        dict[str, int]()["missing"]

    outcome = await invoke(handler)

    assert isinstance(outcome, Failed)
    assert {"KeyError", "LookupError", "Exception"} <= set(outcome.exception_types)
    assert outcome.error.traceback is not None
    assert 'dict[str, int]()["missing"]' in outcome.error.traceback
    assert "floworch/core/handlers/" not in outcome.error.traceback.replace("tests/unit/core/handlers", "")


async def test_long_tracebacks_and_messages_are_bounded() -> None:
    def handler() -> None:
        raise ValueError("x" * 1_000_000)

    error = error_of(await invoke(handler))

    assert len(error.message) < 5_000
    assert len(error.traceback) < 20_000


async def test_an_error_that_cannot_be_printed_is_still_told() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    async def handler() -> None:
        raise Unprintable

    assert error_of(await invoke(handler)).type == "Unprintable"


async def test_inputs_that_do_not_fit_name_the_step_and_its_type() -> None:
    error = error_of(await invoke(async_double, {"value": "x"}, written={"value": "@item()"}))

    assert (error.type, error.retryable) == ("BindingError", False)
    assert error.message.startswith("Step 'charge' (type 'ChargeCard'): input 'value'")
    assert "(from @item())" in error.message


async def test_a_handler_past_its_timeout_is_cancelled() -> None:
    cleaned_up = asyncio.Event()

    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.set()

    outcome = await invoke(handler, timeout=0.01)

    assert error_of(outcome).type == "Timeout"
    assert isinstance(outcome, Failed)
    assert "TimeoutError" in outcome.exception_types
    assert cleaned_up.is_set()


async def test_a_sync_handler_past_its_timeout_sees_that_it_should_stop() -> None:
    def handler(ctx: StepContext) -> None:
        assert ctx.cancelled.wait_blocking(30)
        ctx.raise_if_cancelled()

    assert error_of(await invoke(handler, timeout=0.01)).type == "Timeout"


async def test_an_async_handler_that_ignores_cancellation_is_abandoned_with_a_warning() -> None:
    release = asyncio.Event()

    async def handler() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    with capture_logs() as logs:
        outcome = await invoke(handler, timeout=0.01, cancel_grace=0.01)
    release.set()

    assert error_of(outcome).type == "Timeout"
    assert [(each["event"], each["log_level"]) for each in logs] == [("handler_abandoned", "warning")]


async def test_a_thread_that_hangs_is_replaced() -> None:
    threads, release = HandlerThreads(1), threading.Event()

    def hang() -> None:
        release.wait(30)

    try:
        with capture_logs():
            for _ in range(3):
                outcome = await invoke(hang, threads=threads, timeout=0.01, cancel_grace=0.01)
                assert error_of(outcome).type == "Timeout"
        assert await invoke(sync_double, {"value": 1}, threads=threads) == Succeeded(Payload.of(2))
    finally:
        release.set()
        threads.close()


async def test_a_result_that_nobody_can_make_sense_of_fails_the_attempt() -> None:
    def handler() -> StepResult:
        return StepResult(ResultKind.FAILED, reason=7)  # type: ignore[arg-type]

    assert error_of(await invoke(handler)).type == "AttributeError"


async def test_a_handler_that_is_stopped_is_cancelled_and_has_no_outcome() -> None:
    started, ctx, threads = asyncio.Event(), context(), HandlerThreads(1)
    ended: list[str] = []

    async def handler() -> str:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")
        return "never"

    call, invocation = begun(handler, ctx=ctx, threads=threads)
    await started.wait()
    invocation.stop("the worker stops")

    assert await call.ended is None
    assert ended == ["cleaned up"]
    assert (ctx.cancelled.is_set(), ctx.cancelled.reason) == (True, "the worker stops")
    invocation.stop("again, when it is over")


async def test_a_handler_that_was_stopped_ends_with_what_it_was_stopped_for() -> None:
    threads, instead = HandlerThreads(1), plain_failure("Cancelled", "by an operator")

    async def handler() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    call, invocation = begun(handler, threads=threads)
    invocation.stop("the run was cancelled", instead)  # before its first line

    assert await call.ended == instead


async def test_a_handler_that_is_stopped_twice_is_left_to_itself_at_once() -> None:
    threads, release, started = HandlerThreads(1), asyncio.Event(), asyncio.Event()

    async def handler() -> None:
        while not release.is_set():
            started.set()
            with suppress(asyncio.CancelledError):
                await release.wait()

    call, invocation = begun(handler, threads=threads, timeout=60)
    await started.wait()
    with capture_logs() as logs:
        invocation.stop("the run was cancelled", plain_failure("Cancelled", "by an operator"))
        await asyncio.sleep(0)
        assert not call.ended.done()
        invocation.stop("the worker stops")

    assert call.ended.result() is None
    assert [each["event"] for each in logs] == ["handler_abandoned"]
    release.set()


async def test_a_handler_that_stops_because_it_was_asked_to_is_cancelled() -> None:
    ctx = context()
    ctx.cancelled.set("the run was cancelled")

    async def handler(ctx: StepContext) -> None:
        await ctx.cancelled.wait()
        ctx.raise_if_cancelled()

    error = error_of(await invoke(handler, ctx=ctx))

    assert (error.type, error.message, error.retryable) == ("Cancelled", "the run was cancelled", False)


async def test_context_variables_reach_the_handler_and_its_changes_stay_there() -> None:
    def sync_handler() -> str:
        return FLAVOUR.get()

    async def async_handler() -> str:
        FLAVOUR.set("changed")
        return "done"

    FLAVOUR.set("sweet")
    await invoke(async_handler)

    assert FLAVOUR.get() == "sweet"
    assert await invoke(sync_handler) == Succeeded(Payload.of("sweet"))


async def test_sync_handlers_run_beside_the_event_loop_on_daemon_threads() -> None:
    def handler() -> bool:
        return threading.current_thread().daemon and threading.current_thread() is not threading.main_thread()

    assert await invoke(handler) == Succeeded(Payload.of(True))


async def test_a_handler_that_cancels_its_own_task_and_returns_all_the_same_has_succeeded() -> None:
    async def handler() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return 1

    assert await invoke(handler) == Succeeded(Payload.of(1))


async def test_the_time_limits_of_a_handler_are_its_own() -> None:
    async def handler() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"
        return "never"

    caller = asyncio.current_task()
    assert await invoke(handler) == Succeeded(Payload.of("late"))
    assert caller is not None
    assert caller.cancelling() == 0


async def test_calls_that_wait_for_a_thread_when_the_pool_closes_fail() -> None:
    threads, release, started = HandlerThreads(1), threading.Event(), threading.Event()

    def occupy() -> bool:
        started.set()
        return release.wait(30)

    first = threads.start(occupy)
    second = threads.start(sys.exit)
    assert await asyncio.to_thread(started.wait, 30)

    threads.close()
    release.set()

    assert (await first.end.wait()).value is True  # type: ignore[union-attr]
    assert "stopped before" in str((await second.end.wait()).error)  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="closed"):
        threads.start(sys.exit)
