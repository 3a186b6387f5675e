"""What a contender is: a description that costs nothing to import, and a runner that does the work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

__all__ = ["Contender", "Kind", "Runner", "Store", "Target"]


class Kind(StrEnum):
    OURS = "floworch"
    FLOOR = "floor"
    PEER = "peer"


class Store(StrEnum):
    """Where a contender keeps its state. Figures are compared within one of these."""

    MEMORY = "memory"
    SQLITE = "SQLite"
    POSTGRESQL = "PostgreSQL"
    REDIS = "Redis"


@dataclass(frozen=True, slots=True)
class Target:
    """Where one measurement may leave its data: an empty folder and, for some, an empty database."""

    folder: Path
    url: str | None = None
    """``postgresql://…``, without a driver's name."""


class Runner(ABC):
    """One system, ready to work. Each verb returns when all its work is durable and has succeeded, and raises
    when any of it has not."""

    @abstractmethod
    async def open(self, target: Target) -> None:
        """Get ready to work: tables, connections, workers."""

    @abstractmethod
    async def close(self) -> None: ...

    async def chains(self, count: int, length: int) -> None:
        """Submit ``count`` runs of ``length`` no-op steps, one after the other in each run, all at once."""
        raise NotImplementedError

    async def fan_out(self, width: int) -> None:
        """One run: ``width`` parallel no-op steps and one that joins them."""
        raise NotImplementedError

    async def loop(self, items: int, limit: int) -> None:
        """One run that does a no-op step for each of so many items, at most ``limit`` at once."""
        raise NotImplementedError

    async def park(self, runs: int) -> None:
        """Start runs that will wait for longer than any benchmark lasts; returns when they wait."""
        raise NotImplementedError

    async def keep_schedules(self, schedules: int) -> None:
        """Have so many schedules that are not due for months; returns when they are kept."""
        raise NotImplementedError

    async def multiply(self, runs: int) -> None:
        """Add so many finished runs of five steps to the tables, by copying one."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Contender:
    """``runner`` is ``module:class``; ``arguments`` go to its constructor. ``needs`` maps what must be importable to
    the distribution that brings it."""

    name: str
    kind: Kind
    store: Store
    runner: str
    workloads: frozenset[str]
    needs: Mapping[str, str]
    arguments: Mapping[str, str | int]
    about: str
    most_runs: int | None = None
    """Slow contenders do this many runs where others do more; rates remain comparable."""
    environment: str | None = None
    """Where its packages are: one of :mod:`benchmarks.environments`, or, without a name, where ours are."""
    programs: tuple[str, ...] = ()
    """Servers that it starts, which must be on the PATH."""

    def missing(self) -> list[str]:
        """Distributions that would have to be installed."""
        return [distribution for module, distribution in self.needs.items() if find_spec(module) is None]

    def make(self) -> Runner:
        """A new runner, not open yet."""
        module, _, name = self.runner.partition(":")
        runner = getattr(import_module(module), name)(**self.arguments)
        assert isinstance(runner, Runner)
        return runner
