"""The runtime port: where and when a ready step runs. Never what is ready."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeAlias

from floworch.core.ports.storage import AttemptKey, ReadyStep

__all__ = ["Runtime", "StartedStep", "StepRunner"]


StartedStep: TypeAlias = AttemptKey
"""An attempt whose lease this process holds."""


class StepRunner(Protocol):
    """What a runtime may ask of the engine."""

    async def claim(self, tasks: Sequence[ReadyStep]) -> list[StartedStep]:
        """Start those of the steps that nobody else has taken. Losing a claim is silently nothing."""
        ...

    def run(self, step: StartedStep) -> Coroutine[Any, Any, None]:
        """Run the attempt, and in its place the steps that follow from it, until nothing is left to do here.

        When cancelled, hands the lease of the attempt under way back.
        """
        ...

    def has_room(self) -> None:
        """Slots have become free, and nothing is queued for them."""
        ...


class Runtime(ABC):
    """Contract: ``tests/contracts/runtime``."""

    @abstractmethod
    async def start(self, runner: StepRunner) -> None:
        """Called once, before anything else."""

    @abstractmethod
    def dispatch(self, tasks: Sequence[ReadyStep]) -> None:
        """Hint, given after the commit, that the steps are ready. May be lost or repeated. Never blocks."""

    @abstractmethod
    def free_slots(self) -> int:
        """How many more steps this process could take right now, those already dispatched to it counted as taken."""

    @abstractmethod
    def reserve(self) -> bool:
        """Take a slot for a step that the next commit may start; False when there is none.

        The slot goes to :meth:`run_reserved`.
        """

    @abstractmethod
    def run_reserved(self, step: StartedStep | None) -> None:
        """Run the step in the reserved slot, or give the slot back."""

    @abstractmethod
    async def stop(self, *, drain_seconds: float) -> None:
        """Take no more steps, wait for the running ones at most that long, then cancel them."""
