"""What a handler may know of, and ask from, the attempt that it runs in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from floworch.core.handlers.cancellation import CancelSignal
from floworch.core.handlers.own_copy import own_copy
from floworch.core.handlers.results import StepResult
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.handlers.services import ServiceResolver, Services
from floworch.core.handlers.transactions import AttemptTransaction, StepTransaction
from floworch.core.model.payload import Json, Payload
from floworch.errors import ConfigurationError
from floworch.observability.logging import get_logger, get_veiled_logger

__all__ = ["StepContext"]

_Service = TypeVar("_Service")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class StepContext:
    """One attempt of one step, as its handler sees it.

    ``trigger_headers`` are case-insensitive only in expressions: here their names are as they were stored.
    ``first_started_at`` is None as long as the step has not deferred itself, and then when it started first; it tells a
    handler that it is called again, and since when the step has been waiting. A polling handler is told so also after
    an attempt that came to nothing. ``poll_number`` counts its polls, from 1 on; one that failed does not count.
    ``hurried`` tells that the step had deferred itself, and that somebody wants it to go on before its time.
    """

    def __init__(
        self,
        *,
        run_id: UUID,
        flow_id: UUID,
        flow_name: str,
        step_key: str,
        step_type: str,
        attempt: int,
        trigger_key: str,
        trigger_body: Payload | None = None,
        trigger_headers: Payload | None = None,
        first_started_at: datetime | None = None,
        now: Callable[[], datetime] = _utc_now,
        outputs: Callable[[str], Awaitable[Json]] | None = None,
        services: ServiceResolver | None = None,
        on_heartbeat: Callable[[Payload | None], object] | None = None,
        cancelled: CancelSignal | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        transaction: AttemptTransaction | None = None,
        poll_number: int = 1,
        hurried: bool = False,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        """``outputs`` loads the output of a step by its key, on ``loop`` (default: the running one). ``on_heartbeat``
        is called on the handler's own thread, with the progress if there is any."""
        self.run_id = run_id
        self.flow_id = flow_id
        self.flow_name = flow_name
        self.step_key = step_key
        self.step_type = step_type
        self.attempt = attempt
        self.trigger_key = trigger_key
        self.first_started_at = first_started_at
        self.poll_number = poll_number
        self.hurried = hurried
        self.cancelled = cancelled or CancelSignal()
        self.progress: Payload | None = None
        self._trigger_body = trigger_body
        self._trigger_headers = trigger_headers
        self._now = now
        self._outputs = outputs
        self._services = services
        self._on_heartbeat = on_heartbeat
        self._loop = loop or _running_loop()
        self._transaction = transaction
        self._secrets = secrets
        self._log: Any = None

    @cached_property
    def trigger_body(self) -> Json:
        """Body that the run was triggered with; None when there was none. Changes to it stay in this attempt."""
        return None if self._trigger_body is None else own_copy(self._trigger_body.value)

    @cached_property
    def trigger_headers(self) -> Mapping[str, str]:
        """Headers that the run was triggered with."""
        return {} if self._trigger_headers is None else own_copy(self._trigger_headers.value) or {}

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt of this step of this run, and used by no other: pass it on to external systems."""
        return f"{self.run_id}:{self.step_key}"

    @property
    def now(self) -> datetime:
        """Current time of the engine's clock, aware, UTC; virtual in tests."""
        return self._now()

    @property
    def log(self) -> Any:
        """A structlog logger that is bound to the run, the step and the attempt."""
        if self._log is None:
            fields = {
                "run_id": str(self.run_id),
                "flow": self.flow_name,
                "step_key": self.step_key,
                "step_type": self.step_type,
                "attempt": self.attempt,
            }
            if self._secrets:
                self._log = get_veiled_logger("floworch.step", self._secrets.hide_in, **fields)
            else:
                self._log = get_logger("floworch.step", **fields)
        return self._log

    def raise_if_cancelled(self) -> None:
        """Raise ``asyncio.CancelledError`` when the handler should stop. Call it in long loops of sync handlers."""
        if self.cancelled.is_set():
            raise asyncio.CancelledError(self.cancelled.reason or "the step was asked to stop")

    def heartbeat(self, progress: Json = None) -> None:
        """Tell that the handler is alive and, if given, how far it is (any JSON value; the last one counts).

        The lease is renewed without it; progress is for people. Never blocks; works on any thread.
        """
        if progress is not None:
            self.progress = self._secrets.hide_in_payload(Payload.of(progress))
        if self._on_heartbeat is not None:
            self._on_heartbeat(self.progress)

    async def output_of(self, key: str) -> Json:
        """Output of another step, found as in expressions: siblings first, then outwards. None when it has none."""
        if self._outputs is None:
            raise RuntimeError(
                f"output_of({key!r}) is not available here; pass @steps({key!r}).output as an input instead."
            )
        return own_copy(await self._outputs(key))

    def output_of_blocking(self, key: str) -> Json:
        """The same as :meth:`output_of`, for sync handlers on a thread."""
        if self._loop is None:
            raise RuntimeError(f"output_of_blocking({key!r}) needs the engine's event loop; use an input instead.")
        if _running_loop() is self._loop:
            raise RuntimeError("output_of_blocking would block the event loop; use 'await ctx.output_of(...)' here.")
        return asyncio.run_coroutine_threadsafe(self.output_of(key), self._loop).result()

    @property
    def services(self) -> ServiceResolver:
        """What the application lends to its handlers."""
        return self._services if self._services is not None else Services()

    def service(self, type: type[_Service]) -> _Service:
        """A service by its type. Raises :class:`~floworch.errors.ConfigurationError` when none is registered."""
        return self.services.get(type)

    def transaction(self) -> StepTransaction:
        """A transaction of the engine's own database that commits together with the completion of this step, once.

        ``async with ctx.transaction() as tx: await tx.execute(...)``; sync handlers leave out ``async`` and ``await``.
        Keep it short: other writers wait for what it has locked, on SQLite for the whole of it.
        Raises ConfigurationError for the second one of an attempt, and where there is none: in handlers that run in a
        process of their own, and in storage without transactions.
        """
        if self._transaction is None:
            raise ConfigurationError(
                f"ctx.transaction() is not available to step {self.step_key!r}: its handler does not run in the "
                "engine's process. Use an async handler or one with executor='thread'."
            )
        return self._transaction.ask()

    def defer(self, seconds: float | timedelta, output: Json = None) -> StepResult:
        """``return ctx.defer(30)`` calls the handler again in 30 seconds; the step waits without a worker."""
        return StepResult.deferred(seconds, output)

    def portable(self) -> dict[str, Any]:
        """Constructor arguments that may travel to another process: data only."""
        return {
            "run_id": self.run_id,
            "flow_id": self.flow_id,
            "flow_name": self.flow_name,
            "step_key": self.step_key,
            "step_type": self.step_type,
            "attempt": self.attempt,
            "trigger_key": self.trigger_key,
            "trigger_body": self._trigger_body,
            "trigger_headers": self._trigger_headers,
            "first_started_at": self.first_started_at,
            "poll_number": self.poll_number,
            "hurried": self.hurried,
            "secrets": self._secrets,
        }


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
