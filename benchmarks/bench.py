"""What a measurement is given: whom to measure, where, and how much."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.contender import Contender, Runner, Target

__all__ = ["Bench"]


@dataclass(frozen=True, slots=True)
class Bench:
    contender: Contender
    target: Target
    parameters: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.parameters[name]

    @property
    def runs(self) -> int:
        """Number of runs, or fewer for a contender that would take minutes."""
        return min(self["runs"], self.contender.most_runs or self["runs"])

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Runner]:
        """The contender, ready to work."""
        runner = self.contender.make()
        await runner.open(self.target)
        try:
            yield runner
        finally:
            await runner.close()
