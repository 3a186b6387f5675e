"""What attempts are made with: handlers and what they run on, services, and runs as the store has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import TypeVar

from floworch.core.dag.plan import StepPlan
from floworch.core.engine.availability import Backoff
from floworch.core.engine.child_starts import ChildStarts
from floworch.core.engine.runs import Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.handlers.invocation import Boundary
from floworch.core.handlers.lookup import Handlers
from floworch.core.handlers.processes import HandlerProcesses
from floworch.core.handlers.services import ServiceResolver
from floworch.core.handlers.threads import HandlerThreads
from floworch.core.model.payload import Json, Payload
from floworch.core.ports.clock import Clock
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import StorageUnavailable

__all__ = ["Executor"]

T = TypeVar("T")


class Executor:
    """Shared by all attempts of a process. ``begin`` starts a transaction for a handler."""

    def __init__(
        self,
        runs: Runs,
        handlers: Handlers,
        services: ServiceResolver,
        clock: Clock,
        settings: EngineSettings,
        chance: Random,
        begin: Callable[[], Awaitable[StoreTransaction]],
        child_starts: ChildStarts,
    ) -> None:
        self.runs = runs
        self.handlers = handlers
        self.services = services
        self.clock = clock
        self.settings = settings
        self.chance = chance
        self.begin = begin
        self.child_starts = child_starts
        self._threads = HandlerThreads(settings.handler_threads)
        self._processes = HandlerProcesses(settings.handler_processes)
        self.boundary = Boundary(
            *(self._threads, self._processes, settings.cancel_grace_seconds, settings.max_payload_bytes)
        )
        self._literals: dict[StepPlan, Payload] = {}

    def close(self) -> None:
        self._threads.close()
        self._processes.close()

    def given(self, plan: StepPlan, inputs: Json) -> Payload:
        """The inputs as they are kept; those without expressions are encoded once. Raises InvalidPayload."""
        known = self._literals.get(plan)
        if known is None:
            known = Payload.of(inputs, max_bytes=self.settings.max_payload_bytes)
            if plan.inputs.is_literal:
                self._literals[plan] = known
        return known

    async def patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """What the store answers, once it does: an outage is no fault of the step, and its lease is held meanwhile."""
        give_up_at = self.clock.now() + timedelta(seconds=self.settings.storage_patience_seconds)
        backoff = Backoff(self.chance)
        while True:
            try:
                return await read()
            except StorageUnavailable:
                if self.clock.now() >= give_up_at:
                    raise
            await self.clock.wait(asyncio.Event(), backoff.next_seconds())
