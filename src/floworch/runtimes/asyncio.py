"""Steps run in this process, on its event loop; sync handlers on threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from traceback import format_exc
from typing import Any

from floworch.core.ports.fairness import FairQueue
from floworch.core.ports.runtime import Runtime, StartedStep, StepRunner
from floworch.core.ports.storage import ReadyStep
from floworch.errors import ConfigurationError
from floworch.observability.logging import get_library_logger

__all__ = ["AsyncioRuntime"]


class AsyncioRuntime(Runtime):
    """At most ``concurrency`` steps at once.

    Steps beyond that wait in a queue of this process, where no lease runs, or in the store, where other processes find
    them.
    """

    def __init__(self, concurrency: int = 128) -> None:
        if concurrency < 1:
            raise ConfigurationError(f"concurrency is {concurrency}; at least one step must be able to run")
        self._log = get_library_logger("floworch.runtime")
        self._concurrency = concurrency
        self._free = concurrency
        self._queue = FairQueue()
        self._reserved = 0
        self._claims: dict[asyncio.Task[None], None] = {}
        self._runs: dict[asyncio.Task[None], None] = {}
        self._claiming: set[asyncio.Task[None]] = set()
        """Those of the runs that have ended and claim the next step for their slot."""
        self._changed = asyncio.Event()
        self._runner: StepRunner | None = None
        self._is_stopping = False

    async def start(self, runner: StepRunner) -> None:
        self._runner = runner

    def dispatch(self, tasks: Sequence[ReadyStep]) -> None:
        if self._is_stopping:
            return
        for task in tasks:
            self._queue.put(task)
        self._fill()

    def free_slots(self) -> int:
        return 0 if self._is_stopping else max(0, self._free - len(self._queue))

    def reserve(self) -> bool:
        if self._is_stopping or self._free < 1 or self._queue:
            return False
        self._free -= 1
        self._reserved += 1
        return True

    def run_reserved(self, step: StartedStep | None) -> None:
        self._reserved -= 1
        self._changed.set()
        if step is None:
            self._give_back(1)
        else:
            self._spawn(self._runs, self._occupy(step))

    async def stop(self, *, drain_seconds: float) -> None:
        self._is_stopping = True
        self._queue.clear()
        try:
            async with asyncio.timeout(drain_seconds):
                await self._until_idle()
        except TimeoutError:
            self._log.warning("steps_cancelled", steps=len(self._runs), drain_seconds=drain_seconds)
            await self._cancel_runs()

    async def _until_idle(self) -> None:
        """Claims under way and reserved slots may still turn into running steps, so they are waited for as well."""
        while self._runs or self._claims or self._reserved:
            self._changed.clear()
            await self._changed.wait()

    async def _cancel_runs(self) -> None:
        """Each once: what follows is that the step hands itself back. Claims are left alone, because a step that was
        claimed and that nobody knows of would wait until its lease runs out."""
        cancelled: set[asyncio.Task[None]] = set()
        while self._runs or self._claims or self._reserved:
            self._changed.clear()
            left = [task for task in self._runs if task not in cancelled and task not in self._claiming]
            await asyncio.sleep(0)  # a task that is cancelled before its first line could not hand its step back
            for task in left:
                task.cancel()
            cancelled.update(left)
            await self._changed.wait()

    def _fill(self) -> None:
        """Take as many queued steps as there are slots, and claim them together."""
        count = min(self._free, len(self._queue))
        if count == 0:
            return
        self._free -= count
        self._spawn(self._claims, self._claim([self._queue.take() for _ in range(count)]))

    async def _claim(self, tasks: Sequence[ReadyStep]) -> None:
        started: list[StartedStep] = []
        try:
            started = await self._runner_of().claim(tasks)
        finally:
            self._give_back(len(tasks) - len(started))
            for step in started:
                self._spawn(self._runs, self._occupy(step))

    async def _occupy(self, step: StartedStep) -> None:
        """Hold a slot: run the step and then, one after the other, what is queued."""
        current: StartedStep | None = step
        try:
            while current is not None:
                try:
                    await self._runner_of().run(current)
                except Exception:  # noqa: BLE001 - the top of a background task
                    self._log_abandoned(current)
                current = await self._next() if self._queue else None
        finally:
            self._give_back(1)

    async def _next(self) -> StartedStep | None:
        task = asyncio.current_task()
        assert task is not None
        while self._queue:
            self._claiming.add(task)
            try:
                started = await self._runner_of().claim([self._queue.take()])
            finally:
                self._claiming.discard(task)
                self._changed.set()
            if started:
                return started[0]
        return None

    def _log_abandoned(self, step: StartedStep) -> None:
        names = {"run_id": str(step.run_id), "step_key": step.step_key, "attempt": step.attempt}
        self._log.error("step_abandoned", traceback=format_exc(), **names)

    def _give_back(self, slots: int) -> None:
        self._free += slots
        if self._is_stopping:
            return
        self._fill()
        if self._free and not self._queue:
            self._runner_of().has_room()

    def _spawn(self, tasks: dict[asyncio.Task[None], None], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks[task] = None
        task.add_done_callback(lambda _: self._ended(tasks, task))

    def _ended(self, tasks: dict[asyncio.Task[None], None], task: asyncio.Task[None]) -> None:
        del tasks[task]
        self._changed.set()

    def _runner_of(self) -> StepRunner:
        assert self._runner is not None
        return self._runner
