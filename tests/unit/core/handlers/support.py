"""A context for calls of handlers, and the call itself with the pools it needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from floworch.core.handlers import HandlerProcesses, HandlerRegistry, HandlerThreads, Services, StepContext, StepOutcome
from floworch.core.handlers import invoke as invoke_handler

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


async def invoke(
    handler: Any,
    inputs: Any = None,
    *,
    ctx: StepContext | None = None,
    threads: HandlerThreads | None = None,
    processes: HandlerProcesses | None = None,
    cancel_grace: float = 30,
    **options: Any,
) -> StepOutcome:
    registry = HandlerRegistry()
    registry.add("ChargeCard", handler)
    pool = threads or HandlerThreads(1)
    try:
        return await invoke_handler(
            registry.build(Services()).get("ChargeCard"),
            ctx or context(),
            inputs,
            threads=pool,
            processes=processes,
            cancel_grace=cancel_grace,
            **options,
        )
    finally:
        if threads is None:
            pool.close()
