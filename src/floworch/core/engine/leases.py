"""The leases that this process holds: renewed together, and given up as soon as they are lost."""

from __future__ import annotations

import asyncio
from traceback import format_exc
from typing import Protocol
from uuid import UUID

from floworch.core.dag.keys import is_shielded
from floworch.core.engine.availability import Availability
from floworch.core.engine.settings import EngineSettings
from floworch.core.machine.transition import Transition
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import LeaseState, Storage
from floworch.errors import StorageError
from floworch.observability.logging import get_library_logger

__all__ = ["Holder", "Interruptible", "Leases", "why_interrupted"]


class Interruptible(Protocol):
    """An attempt under way."""

    def interrupt(self, reason: str) -> None:
        """The attempt should stop."""
        ...


class Holder(Protocol):
    """Makes one attempt after the other. The lease of each is its own."""

    @property
    def step(self) -> StartedStep: ...
    @property
    def lease_seconds(self) -> float: ...
    @property
    def attempt(self) -> Interruptible | None:
        """None while there is nothing to stop: the result is about to be committed."""
        ...


class Leases:
    """Renews what it holds, all at once."""

    def __init__(self, store: Storage, clock: Clock, settings: EngineSettings, availability: Availability) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._clock = clock
        self._settings = settings
        self._availability = availability
        self._held: dict[Holder, None] = {}
        """Ordered, and told apart by identity: leases are not looked up by their step, whose key is costly to hash."""
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

    def hold(self, holder: Holder) -> None:
        """Renew the lease of whatever step it is at, from now on until it lets go."""
        self._held[holder] = None

    def let_go(self, holder: Holder) -> None:
        self._held.pop(holder, None)

    def interrupt(self, run_id: UUID, step_keys: list[str], reason: str) -> None:
        """Ask the attempts of these steps that run here to stop."""
        wanted = set(step_keys)
        for holder in list(self._held):
            if holder.step.run_id == run_id and holder.step.step_key in wanted and holder.attempt is not None:
                holder.attempt.interrupt(reason)

    def is_held(self, run_id: UUID, step_key: str, attempt: int) -> bool:
        """Whether this process is at work on the attempt, whatever has become of its lease."""
        return any(holder.step == (run_id, step_key, attempt) for holder in self._held)

    async def _run(self) -> None:
        while not await self._clock.wait(self._stopping, self._settings.heartbeat_seconds):
            try:
                await self._renew()
            except StorageError as error:
                self._availability.failed("heartbeat", error)
            except Exception:  # noqa: BLE001 - the top of a background loop
                self._log.error("heartbeat_failed", traceback=format_exc(), leases=len(self._held))

    async def _renew(self) -> None:
        held = {holder.step: holder for holder in self._held}
        if not held:
            self._availability.ceased("heartbeat")
            return
        seconds = {step: holder.lease_seconds for step, holder in held.items()}
        states = await self._store.renew(self._settings.worker_id, seconds)
        self._availability.succeeded("heartbeat")
        for step, state in states.items():
            holder = held[step]
            if state is LeaseState.HELD or holder.step != step or holder.attempt is None:
                continue  # or it has gone on meanwhile
            if state is LeaseState.LOST:
                self._log.warning("lease_lost", run_id=str(step.run_id), step_key=step.step_key, attempt=step.attempt)
                holder.attempt.interrupt("the lease was lost; another worker may run the step")
            elif not is_shielded(step.step_key):
                holder.attempt.interrupt("the run is being stopped")


def why_interrupted(transition: Transition) -> str:
    """The reason that handlers hear which the transition wants to stop."""
    stop = transition.stop
    if stop is None:
        return "somebody has decided by hand how the step ends"
    return stop.reason or f"the run is {stop.kind}"
