"""The runtime port: where and when a ready step runs. Never what is ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from floworch.core.ports.storage import ReadyStep

__all__ = ["Runtime", "StepRunner"]


class StepRunner(Protocol):
    """What a runtime may ask of the engine."""

    async def run_steps(self, tasks: Sequence[ReadyStep]) -> None:
        """Claim the steps, run those that were won, and in each one's place the steps that follow from it, until
        nothing is left to run here. A lost claim is silently nothing."""
        ...

    async def fetch_ready(self, limit: int) -> list[ReadyStep]:
        """Ready steps in the store that nobody has taken and that this process can run."""
        ...


class Runtime(ABC):
    @abstractmethod
    async def start(self, runner: StepRunner) -> None: ...

    @abstractmethod
    async def dispatch(self, tasks: Sequence[ReadyStep]) -> None:
        """Hint, given after the commit, that the steps are ready. May be lost or repeated; must not block."""

    @abstractmethod
    def free_slots(self) -> int:
        """How many more steps this process could run right now; 0 where other processes run them."""

    @abstractmethod
    async def stop(self, *, drain_timeout: float) -> None:
        """Take no more steps, wait for the running ones at most ``drain_timeout`` seconds, then cancel them."""
