"""The handler boundary: one call of one handler. Nothing that a handler does gets past it, but its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from floworch.core.handlers.binding import BindingError, bind
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.ended import End, Ended, Raised, call_async
from floworch.core.handlers.failures import cancelled, failed_by, plain_failure, timed_out
from floworch.core.handlers.lookup import Handler
from floworch.core.handlers.outcomes import outcome_of
from floworch.core.handlers.processes import HandlerProcesses, ProcessTask
from floworch.core.handlers.results import StepOutcome
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
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
    secrets: Secrets = NO_SECRETS,
) -> StepOutcome:
    """Bind the inputs, run the handler where it belongs, and tell how the attempt ended. Never raises for what the
    handler does.

    ``timeout`` and ``cancel_grace`` are in seconds. When the time is up, or when the caller is cancelled, the handler
    is asked to stop (``ctx.cancelled``, and cancellation of async ones); after ``cancel_grace`` more it is left to
    itself, with a warning. Cancellation of the caller is then passed on. ``written`` are the inputs as they stand in
    the manifest, for messages. ``secrets`` are hidden in whatever the handler gives back.
    """
    try:
        arguments = bind(handler.parameters, inputs, written, secrets)
    except BindingError as error:
        return plain_failure(
            "BindingError", f"Step {ctx.step_key!r} (type {handler.type!r}): {error}.", retryable=False
        )
    running: _Running = _start(handler, ctx, arguments, threads, processes, max_output_bytes, secrets)
    try:
        ended = await running.end.wait(timeout)
    except asyncio.CancelledError:
        ctx.cancelled.set("the worker stops or the run was stopped")
        await _stop(running, ctx, cancel_grace)
        raise
    if ended is not None:
        return _outcome(handler, ctx, ended, max_output_bytes, secrets)
    assert timeout is not None
    ctx.cancelled.set(f"the timeout of {timeout:g} seconds is over")
    await _stop(running, ctx, cancel_grace)
    return timed_out(timeout)


class _Running(Protocol):
    @property
    def end(self) -> End: ...
    def request_stop(self) -> None: ...
    def abandon(self) -> None: ...


class _OnLoop:
    """A task of its own: what the handler does to its context variables and to its task stays with it."""

    __slots__ = ("_task", "end")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.end = End()
        self._task = asyncio.get_running_loop().create_task(self._call(function))

    async def _call(self, function: Callable[[], Any]) -> None:
        self.end.tell(await call_async(function))

    def request_stop(self) -> None:
        self._task.cancel()
        self._task.add_done_callback(self._cancelled)  # one that is cancelled before its first line tells nothing

    def abandon(self) -> None:
        """Nothing holds the task but what it waits for."""

    def _cancelled(self, _: object) -> None:
        self.end.tell(Raised(asyncio.CancelledError()))


def _start(
    handler: Handler,
    ctx: StepContext,
    arguments: dict[str, Any],
    threads: HandlerThreads,
    processes: HandlerProcesses | None,
    max_output_bytes: int | None,
    secrets: Secrets,
) -> _Running:
    context_parameter = handler.parameters.context
    if handler.executor is ExecutorKind.PROCESS:
        task = ProcessTask(handler.call, arguments, context_parameter, ctx.portable(), max_output_bytes, secrets)
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


async def _stop(running: _Running, ctx: StepContext, grace_seconds: float) -> None:
    running.request_stop()
    try:
        await running.end.wait(grace_seconds)
    finally:
        if running.end.ended is None:
            running.abandon()
            ctx.log.warning("handler_abandoned", reason=ctx.cancelled.reason, grace_seconds=grace_seconds)


def _outcome(
    handler: Handler, ctx: StepContext, ended: Ended, max_output_bytes: int | None, secrets: Secrets
) -> StepOutcome:
    if isinstance(ended, Raised):
        if isinstance(ended.error, asyncio.CancelledError) and ctx.cancelled.is_set():
            return cancelled(ctx.cancelled.reason)
        return failed_by(ended.error, secrets)
    if handler.executor is ExecutorKind.PROCESS:
        outcome: StepOutcome = ended.value
        return outcome
    return outcome_of(ended.value, max_output_bytes, secrets)
