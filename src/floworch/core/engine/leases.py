"""The leases that this process holds: renewed together, and given up as soon as they are lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from traceback import format_exc
from typing import NamedTuple
from uuid import UUID

from floworch.core.engine.availability import Availability
from floworch.core.engine.settings import EngineSettings
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import LeaseKey, LeaseState, Storage
from floworch.errors import StorageError
from floworch.observability.logging import get_library_logger

__all__ = ["Leases"]


class _Held(NamedTuple):
    lease_seconds: float
    interrupt: Callable[[str], None] | None
    """None once the handler has ended and its result is about to be committed."""


class Leases:
    """``interrupt`` of an attempt is called, with the reason, when it should stop."""

    def __init__(self, store: Storage, clock: Clock, settings: EngineSettings, availability: Availability) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._clock = clock
        self._settings = settings
        self._availability = availability
        self._held: dict[LeaseKey, _Held] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._held)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="floworch-heartbeat")

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    def hold(self, step: StartedStep, lease_seconds: float, interrupt: Callable[[str], None] | None) -> None:
        """Renew the lease from now on, until it is let go of. Without ``interrupt`` nothing is left to be stopped."""
        self._held[step] = _Held(lease_seconds, interrupt)

    def let_go(self, step: StartedStep) -> None:
        self._held.pop(step, None)

    def interrupt(self, run_id: UUID, step_keys: list[str], reason: str) -> None:
        """Ask the attempts of these steps that run here to stop."""
        wanted = set(step_keys)
        for key, held in list(self._held.items()):
            if key.run_id == run_id and key.step_key in wanted and held.interrupt is not None:
                held.interrupt(reason)

    def is_held(self, run_id: UUID, step_key: str, attempt: int) -> bool:
        """Whether this process is at work on the attempt, whatever has become of its lease."""
        return LeaseKey(run_id, step_key, attempt) in self._held

    async def _run(self) -> None:
        while not await self._clock.wait(self._stopping, self._settings.heartbeat_seconds):
            try:
                await self._renew()
            except StorageError as error:
                self._availability.failed("heartbeat", error)
            except Exception:  # noqa: BLE001 - the top of a background loop
                self._log.error("heartbeat_failed", traceback=format_exc(), leases=len(self._held))

    async def _renew(self) -> None:
        held = dict(self._held)
        if not held:
            self._availability.ceased("heartbeat")
            return
        seconds = {key: lease.lease_seconds for key, lease in held.items()}
        states = await self._store.renew(self._settings.worker_id, seconds)
        self._availability.succeeded("heartbeat")
        for key, state in states.items():
            interrupt = held[key].interrupt
            if state is LeaseState.HELD or interrupt is None or self._held.get(key) is not held[key]:
                continue
            if state is LeaseState.LOST:
                self._log.warning("lease_lost", run_id=str(key.run_id), step_key=key.step_key, attempt=key.attempt)
                interrupt("the lease was lost; another worker may run the step")
            else:
                interrupt("the run is being stopped")
