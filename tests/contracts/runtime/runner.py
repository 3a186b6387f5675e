"""What stands in for the engine: it grants claims as told, and steps run until they are let go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import ReadyStep

__all__ = ["Runner", "task"]


def task(number: int, attempt: int = 0) -> ReadyStep:
    return ReadyStep(UUID(int=number), "step", attempt, "Type", UUID(int=1))


class Runner:
    """Records what a runtime does with it. ``taken`` are run numbers whose claims are lost."""

    def __init__(self) -> None:
        self.claims: list[int] = []
        self.running: set[int] = set()
        self.finished: list[int] = []
        self.cancelled: list[int] = []
        self.most_running = 0
        self.times_with_room = 0
        self.taken: set[int] = set()
        self.failing: set[int] = set()
        self.claims_go_on = asyncio.Event()
        self.claims_go_on.set()
        self.changed = asyncio.Condition()
        self._gates: dict[int, asyncio.Event] = {}
        self._open = False

    async def claim(self, tasks: Sequence[ReadyStep]) -> list[StartedStep]:
        self.claims += [task.run_id.int for task in tasks]
        await asyncio.sleep(0)
        await self.claims_go_on.wait()
        return [
            StartedStep(task.run_id, task.step_key, task.attempt + 1)
            for task in tasks
            if task.run_id.int not in self.taken
        ]

    async def run(self, step: StartedStep) -> None:
        number = step.run_id.int
        self.running.add(number)
        self.most_running = max(self.most_running, len(self.running))
        await self._tell()
        try:
            if number in self.failing:
                raise RuntimeError("the step's runner broke")
            if not self._open:
                await self._gates.setdefault(number, asyncio.Event()).wait()
            self.finished.append(number)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        finally:
            self.running.discard(number)
            await self._tell()

    def has_room(self) -> None:
        self.times_with_room += 1

    def let_go(self, *numbers: int) -> None:
        for number in numbers:
            self._gates.setdefault(number, asyncio.Event()).set()

    def let_all_go(self) -> None:
        self._open = True
        self.let_go(*self._gates)

    async def until_running(self, *numbers: int) -> None:
        await self._until(lambda: self.running >= set(numbers))

    async def until_finished(self, *numbers: int) -> None:
        await self._until(lambda: set(self.finished) >= set(numbers))

    async def _until(self, holds: object) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(holds)  # type: ignore[arg-type]

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()
