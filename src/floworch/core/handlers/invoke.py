"""The handler boundary: one call of one handler. Nothing that a handler does gets past it, but its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from floworch.core.handlers.binding import BindingError, bind
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.ended import Ended, Raised, call_async
from floworch.core.handlers.failures import cancelled, failed_by, plain_failure, timed_out
from floworch.core.handlers.outcomes import outcome_of
from floworch.core.handlers.processes import HandlerProcesses, ProcessTask
from floworch.core.handlers.registry import Handler
from floworch.core.handlers.results import StepOutcome
from floworch.core.handlers.spec import ExecutorKind
from floworch.core.handlers.threads import HandlerThreads
from floworch.core.model.payload import Json
from floworch.errors import ConfigurationError

__all__ = ["invoke"]


async def invoke(
    handler: Handler,
    ctx: StepContext,
    inputs: Json,
    *,
    timeout: float | None = None,
    threads: HandlerThreads,
    processes: HandlerProcesses | None = None,
    cancel_grace: float = 5.0,
    max_output_bytes: int | None = None,
    written: Json = None,
) -> StepOutcome:
    """Bind the inputs, run the handler where it belongs, and tell how the attempt ended. Never raises for what the
    handler does.

    ``timeout`` and ``cancel_grace`` are in seconds. When the time is up, or when the caller is cancelled, the handler
    is asked to stop (``ctx.cancelled``, and cancellation of async ones); after ``cancel_grace`` more it is left to
    itself, with a warning. Cancellation of the caller is then passed on. ``written`` are the inputs as they stand in
    the manifest, for messages.
    """
    try:
        arguments = bind(handler.parameters, inputs, written)
    except BindingError as error:
        return plain_failure(
            "BindingError", f"Step {ctx.step_key!r} (type {handler.type!r}): {error}.", retryable=False
        )
    running: _Running = _start(handler, ctx, arguments, threads, processes, max_output_bytes)
    try:
        is_done = await _settled(running.future, timeout)
    except asyncio.CancelledError:
        ctx.cancelled.set("the worker stops or the run was stopped")
        await _stop(running, ctx, cancel_grace)
        raise
    if is_done:
        return _outcome(handler, ctx, running.future.result(), max_output_bytes)
    assert timeout is not None
    ctx.cancelled.set(f"the timeout of {timeout:g} seconds is over")
    await _stop(running, ctx, cancel_grace)
    return timed_out(timeout)


class _Running(Protocol):
    @property
    def future(self) -> asyncio.Future[Ended]: ...
    def request_stop(self) -> None: ...
    def abandon(self) -> None: ...


class _OnLoop:
    """A task of its own: what the handler does to its context variables and to its task stays with it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.future = asyncio.get_running_loop().create_task(call_async(function))

    def request_stop(self) -> None:
        self.future.cancel()

    def abandon(self) -> None:
        """Nothing holds the task but what it waits for."""


def _start(
    handler: Handler,
    ctx: StepContext,
    arguments: dict[str, Any],
    threads: HandlerThreads,
    processes: HandlerProcesses | None,
    max_output_bytes: int | None,
) -> _Running:
    context_parameter = handler.parameters.context
    if handler.executor is ExecutorKind.PROCESS:
        task = ProcessTask(handler.call, arguments, context_parameter, ctx.portable(), max_output_bytes)
        return _OnLoop(partial(_in_process, processes, task))
    if context_parameter is not None:
        arguments[context_parameter] = ctx
    function = partial(handler.call, **arguments)
    if handler.executor is ExecutorKind.THREAD:
        return threads.start(function)
    return _OnLoop(function if handler.is_async else partial(_without_waiting, function))


async def _in_process(processes: HandlerProcesses | None, task: ProcessTask) -> StepOutcome:
    if processes is None:
        raise ConfigurationError(
            "The handler needs another process (executor='process'), but this worker has no process pool."
        )
    return await processes.run(task)


async def _without_waiting(function: Callable[[], Any]) -> Any:
    return function()


async def _settled(future: asyncio.Future[Ended], timeout_seconds: float | None) -> bool:
    """Wait until the future is done (True) or the time is up (False). Unlike ``wait_for``, cancelling the wait does
    not cancel the future; and it is half the price of ``asyncio.wait``, which counts with short handlers."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(wake)
    timer = None if timeout_seconds is None else loop.call_later(timeout_seconds, wake)
    try:
        await waiter
    finally:
        future.remove_done_callback(wake)
        if timer is not None:
            timer.cancel()
    return future.done()


async def _stop(running: _Running, ctx: StepContext, grace_seconds: float) -> None:
    running.request_stop()
    is_done = False
    try:
        is_done = await _settled(running.future, grace_seconds)
    finally:
        if not is_done:
            running.abandon()
            ctx.log.warning("handler_abandoned", reason=ctx.cancelled.reason, grace_seconds=grace_seconds)


def _outcome(handler: Handler, ctx: StepContext, ended: Ended, max_output_bytes: int | None) -> StepOutcome:
    if isinstance(ended, Raised):
        if isinstance(ended.error, asyncio.CancelledError) and ctx.cancelled.is_set():
            return cancelled(ctx.cancelled.reason)
        return failed_by(ended.error)
    if handler.executor is ExecutorKind.PROCESS:
        outcome: StepOutcome = ended.value
        return outcome
    return outcome_of(ended.value, max_output_bytes)
