"""A context for calls of handlers, and the call itself with the pools it needs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from floworch.core.handlers import (
    Boundary,
    CancelSignal,
    Handler,
    HandlerProcesses,
    HandlerRegistry,
    HandlerThreads,
    Invocation,
    Services,
    StepContext,
    StepOutcome,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN_ID = UUID("00000000-0000-0000-0000-00000000000a")


def context(**changes: Any) -> StepContext:
    facts: dict[str, Any] = {
        "run_id": RUN_ID,
        "flow_id": UUID(int=1),
        "flow_name": "Orders",
        "step_key": "charge",
        "step_type": "ChargeCard",
        "attempt": 2,
        "trigger_key": "manual",
        "now": lambda: NOW,
    }
    return StepContext(**(facts | changes))


class Call:
    """A call under way, of an attempt that has nothing but a context."""

    def __init__(self, ctx: StepContext) -> None:
        self._ctx = ctx
        self.ended: asyncio.Future[StepOutcome | None] = asyncio.get_running_loop().create_future()

    @property
    def cancelled(self) -> CancelSignal:
        return self._ctx.cancelled

    def context(self) -> StepContext:
        return self._ctx

    def called(self, outcome: StepOutcome | None) -> None:
        self.ended.set_result(outcome)


def begun(
    handler: Any,
    inputs: Any = None,
    *,
    ctx: StepContext | None = None,
    threads: HandlerThreads,
    processes: HandlerProcesses | None = None,
    cancel_grace: float = 30,
    max_output_bytes: int | None = None,
    written: Any = None,
    **options: Any,
) -> tuple[Call, Invocation]:
    """A call of a function, or of a handler that is ready."""
    call = Call(ctx or context())
    boundary = Boundary(threads, processes, cancel_grace, max_output_bytes)
    invocation = Invocation(boundary, _ready(handler), call, **options)
    invocation.begin(inputs, written)
    return call, invocation


async def invoke(
    handler: Any, inputs: Any = None, *, threads: HandlerThreads | None = None, **options: Any
) -> StepOutcome:
    """How the call ends."""
    pool = threads or HandlerThreads(1)
    try:
        call, _ = begun(handler, inputs, threads=pool, **options)
        outcome = await call.ended
    finally:
        if threads is None:
            pool.close()
    assert outcome is not None
    return outcome


def _ready(handler: Any) -> Handler:
    if isinstance(handler, Handler):
        return handler
    registry = HandlerRegistry()
    registry.add("ChargeCard", handler)
    return registry.build(Services()).get("ChargeCard")
