"""The handler boundary: one call of one handler. Nothing that a handler does gets past it, but its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from floworch.core.handlers.binding import BindingError, bind
from floworch.core.handlers.cancellation import CancelSignal
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.ended import Ended, Raised, Returned
from floworch.core.handlers.failures import cancelled, failed_by, plain_failure, timed_out
from floworch.core.handlers.lookup import Handler
from floworch.core.handlers.outcomes import outcome_of
from floworch.core.handlers.processes import HandlerProcesses, ProcessTask
from floworch.core.handlers.results import StepOutcome
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.handlers.spec import ExecutorKind
from floworch.core.handlers.threads import HandlerThreads, ThreadCall
from floworch.core.model.payload import Json
from floworch.errors import ConfigurationError

__all__ = ["Boundary", "Caller", "Invocation"]

# By globals, here and where every step comes by: on Python 3.11 the member of an enum takes four times as long.
_PROCESS, _THREAD = ExecutorKind.PROCESS, ExecutorKind.THREAD


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """What the handlers of a worker run on, and what is the same for all their calls."""

    threads: HandlerThreads
    processes: HandlerProcesses | None = None
    cancel_grace_seconds: float = 5.0
    max_output_bytes: int | None = None


class Caller(Protocol):
    """Who has an attempt made."""

    @property
    def cancelled(self) -> CancelSignal:
        """The signal in the context."""
        ...

    def context(self) -> StepContext:
        """What the handler may see of it; asked for where it looks."""
        ...

    def called(self, outcome: StepOutcome | None) -> None:
        """The call is over; without an outcome after :meth:`Invocation.stop`. Called once, on the event loop, also
        before :meth:`Invocation.begin` returns."""
        ...


class Invocation:
    """One call. It binds the inputs, runs the handler where it belongs, and tells its caller how the attempt ended.

    No coroutine: to wait for handlers would take an object for each level of calls, and a turn of the event loop more.
    """

    __slots__ = (
        *("_boundary", "_caller", "_handler", "_instead", "_is_asked_to_stop", "_is_over", "_secrets"),
        *("_task", "_thread", "_timeout", "_timer"),
    )

    def __init__(
        self,
        boundary: Boundary,
        handler: Handler,
        caller: Caller,
        timeout: float | None = None,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        """``timeout`` is in seconds. ``secrets`` are hidden in whatever the handler gives back."""
        self._boundary = boundary
        self._handler = handler
        self._caller = caller
        self._timeout = timeout
        self._secrets = secrets
        self._task: asyncio.Task[None] | None = None
        self._thread: ThreadCall | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_asked_to_stop = False
        self._instead: StepOutcome | None = None
        """What is told of a handler that was asked to stop, however it ends."""
        self._is_over = False

    def begin(self, inputs: Json, written: Json = None) -> None:
        """Call the handler. Its inputs ``written`` as they stand in the manifest are for messages.

        When its time is up the handler is asked to stop (``ctx.cancelled``, and cancellation of async ones); after the
        grace period of the boundary it is left to itself, with a warning.
        """
        try:
            arguments = bind(self._handler.parameters, inputs, written, self._secrets)
        except BindingError as error:
            step_key = self._caller.context().step_key
            message = f"Step {step_key!r} (type {self._handler.type!r}): {error}."
            self._end(plain_failure("BindingError", message, retryable=False))
            return
        self._start(arguments)
        if self._is_over:  # at once: on Python 3.12 and newer tasks may be eager
            self._task = None
        elif self._timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout, self._time_is_up)

    def stop(self, reason: str, instead: StepOutcome | None = None) -> None:
        """Ask the handler to stop, as when its time is up, and tell ``instead`` of whatever it ends with. A second call
        leaves it to itself at once."""
        if self._is_over:
            return
        self._caller.cancelled.set(reason)
        if self._is_asked_to_stop:
            self._instead = instead
            self._give_up()
        else:
            self._request_stop(instead)

    def _start(self, arguments: dict[str, Any]) -> None:
        handler, context_parameter = self._handler, self._handler.parameters.context
        if context_parameter is not None and handler.executor is not _PROCESS:
            arguments[context_parameter] = self._caller.context()
        if handler.executor is _THREAD:
            self._thread = self._boundary.threads.start(partial(handler.call, **arguments), self._ended)
        else:
            self._task = asyncio.get_running_loop().create_task(self._call(arguments))

    async def _call(self, arguments: dict[str, Any]) -> None:
        """In a task of its own: what the handler does to its context variables and to its task stays with it."""
        ended: Ended
        try:
            ended = Returned(await self._called(arguments))
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  (the handler boundary)
            ended = Raised(error)
        self._ended(ended)

    def _called(self, arguments: dict[str, Any]) -> Awaitable[Any]:
        handler = self._handler
        if handler.executor is _PROCESS:
            return self._in_process(arguments)
        return handler.call(**arguments) if handler.is_async else _without_waiting(handler.call, arguments)

    async def _in_process(self, arguments: dict[str, Any]) -> StepOutcome:
        handler, processes = self._handler, self._boundary.processes
        if processes is None:
            raise ConfigurationError(
                "The handler needs another process (executor='process'), but this worker has no process pool."
            )
        facts, limit = self._caller.context().portable(), self._boundary.max_output_bytes
        task = ProcessTask(handler.call, arguments, handler.parameters.context, facts, limit, self._secrets)
        return await processes.run(task)

    def _time_is_up(self) -> None:
        if not self._is_asked_to_stop:
            assert self._timeout is not None
            self._caller.cancelled.set(f"the timeout of {self._timeout:g} seconds is over")
            self._request_stop(timed_out(self._timeout))

    def _request_stop(self, instead: StepOutcome | None) -> None:
        self._is_asked_to_stop = True
        self._instead = instead
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(self._boundary.cancel_grace_seconds, self._give_up)
        if self._task is not None:  # a thread cannot be interrupted: its handler sees ``ctx.cancelled``
            self._task.cancel()
            self._task.add_done_callback(self._is_cancelled)

    def _is_cancelled(self, _: object) -> None:
        """One that is cancelled before its first line tells nothing itself."""
        self._ended(Raised(asyncio.CancelledError()))

    def _give_up(self) -> None:
        """The handler has had its time to stop. Nothing holds its task but what that waits for."""
        if self._is_over:
            return
        if self._thread is not None:
            self._thread.abandon()
        grace_seconds = self._boundary.cancel_grace_seconds
        log = self._caller.context().log
        log.warning("handler_abandoned", reason=self._caller.cancelled.reason, grace_seconds=grace_seconds)
        self._end(self._instead)

    def _ended(self, ended: Ended) -> None:
        if self._is_over:
            return
        try:
            outcome = self._instead if self._is_asked_to_stop else self._outcome(ended)
        except Exception as error:  # noqa: BLE001  (what a handler returns runs the author's code when it is encoded)
            outcome = failed_by(error, self._secrets)
        self._end(outcome)

    def _end(self, outcome: StepOutcome | None) -> None:
        self._is_over = True
        self._task = self._thread = None  # they know this call: nothing is to be left to the garbage collector
        self._cancel_timer()
        self._caller.called(outcome)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _outcome(self, ended: Ended) -> StepOutcome:
        if isinstance(ended, Raised):
            if isinstance(ended.error, asyncio.CancelledError) and self._caller.cancelled.is_set():
                return cancelled(self._caller.cancelled.reason)
            return failed_by(ended.error, self._secrets)
        if self._handler.executor is _PROCESS:
            outcome: StepOutcome = ended.value
            return outcome
        return outcome_of(ended.value, self._boundary.max_output_bytes, self._secrets)


async def _without_waiting(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    return function(**arguments)
