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

__all__ = ["Interruptible", "Lease", "Leases", "why_interrupted"]


class Interruptible(Protocol):
    """What holds a lease."""

    def interrupt(self, reason: str) -> None:
        """The attempt should stop."""
        ...


class Lease:
    """The lease of one attempt.

    ``attempt`` is None while there is nothing to stop: before its inputs are read, and once its result is about to be
    committed.
    """

    __slots__ = ("attempt", "seconds", "step")

    def __init__(self, step: StartedStep, seconds: float) -> None:
        self.step = step
        self.seconds = seconds
        self.attempt: Interruptible | None = None


class Leases:
    """Renews what it holds, all at once."""

    def __init__(self, store: Storage, clock: Clock, settings: EngineSettings, availability: Availability) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._clock = clock
        self._settings = settings
        self._availability = availability
        self._held: dict[Lease, None] = {}
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

    def hold(self, step: StartedStep) -> Lease:
        """Renew the lease from now on, until it is let go of."""
        lease = Lease(step, self._settings.lease_seconds)
        self._held[lease] = None
        return lease

    def let_go(self, lease: Lease) -> None:
        self._held.pop(lease, None)

    def interrupt(self, run_id: UUID, step_keys: list[str], reason: str) -> None:
        """Ask the attempts of these steps that run here to stop."""
        wanted = set(step_keys)
        for lease in list(self._held):
            if lease.step.run_id == run_id and lease.step.step_key in wanted and lease.attempt is not None:
                lease.attempt.interrupt(reason)

    def is_held(self, run_id: UUID, step_key: str, attempt: int) -> bool:
        """Whether this process is at work on the attempt, whatever has become of its lease."""
        return any(lease.step == (run_id, step_key, attempt) for lease in self._held)

    async def _run(self) -> None:
        while not await self._clock.wait(self._stopping, self._settings.heartbeat_seconds):
            try:
                await self._renew()
            except StorageError as error:
                self._availability.failed("heartbeat", error)
            except Exception:  # noqa: BLE001 - the top of a background loop
                self._log.error("heartbeat_failed", traceback=format_exc(), leases=len(self._held))

    async def _renew(self) -> None:
        held = {lease.step: lease for lease in self._held}
        if not held:
            self._availability.ceased("heartbeat")
            return
        states = await self._store.renew(
            self._settings.worker_id, {step: lease.seconds for step, lease in held.items()}
        )
        self._availability.succeeded("heartbeat")
        for step, state in states.items():
            lease = held[step]
            if state is LeaseState.HELD or lease.attempt is None or lease not in self._held:
                continue
            if state is LeaseState.LOST:
                self._log.warning("lease_lost", run_id=str(step.run_id), step_key=step.step_key, attempt=step.attempt)
                lease.attempt.interrupt("the lease was lost; another worker may run the step")
            elif not is_shielded(step.step_key):
                lease.attempt.interrupt("the run is being stopped")


def why_interrupted(transition: Transition) -> str:
    """The reason that handlers hear which the transition wants to stop."""
    stop = transition.stop
    if stop is None:
        return "somebody has decided by hand how the step ends"
    return stop.reason or f"the run is {stop.kind}"
