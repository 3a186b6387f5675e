"""One simulated process: a real engine with a runtime that loses messages, behind a gate."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from datetime import datetime, timedelta
from random import Random
from typing import Any

from floworch.core.engine.engine import Engine
from floworch.core.engine.notifiers import Registration
from floworch.core.engine.schedules.desk import ScheduleDesk
from floworch.core.engine.settings import EngineSettings
from floworch.core.handlers.lookup import Handlers
from floworch.core.handlers.services import Services
from floworch.core.model.flow import FlowDefinition
from floworch.core.ports.storage import ReadyStep
from floworch.errors import StorageUnavailable
from floworch.runtimes.asyncio import AsyncioRuntime
from floworch.testing.clock import VirtualClock
from tests.simulation.cluster.gate import GATE, OUTSIDE, Gate
from tests.simulation.cluster.storage import Database, FaultyStorage
from tests.simulation.cluster.weather import Weather
from tests.simulation.cluster.witness import Witness

__all__ = ["NODE", "FaultyRuntime", "Node"]


class FaultyRuntime(AsyncioRuntime):
    """Hints that steps are ready get lost, or come again later."""

    def __init__(self, concurrency: int, weather: Weather, chance: Random) -> None:
        super().__init__(concurrency)
        self.concurrency = concurrency
        self._weather = weather
        self._chance = chance

    def dispatch(self, tasks: Sequence[ReadyStep]) -> None:
        kept = [task for task in tasks if self._chance.random() >= self._weather.dispatch_dropped]
        super().dispatch(kept)
        if self._chance.random() < self._weather.dispatch_repeated:
            super().dispatch(kept)
            asyncio.get_running_loop().call_later(self._chance.uniform(0.0, 3.0), super().dispatch, kept)

    def leftovers(self) -> dict[str, object]:
        """What is not given back; empty when nothing runs."""
        found = {
            "busy slots": self.concurrency - self._free,
            "reserved": self._reserved,
            "queue": len(self._queue),
            "claims": self._claims,
            "runs": self._runs,
        }
        return {name: value for name, value in found.items() if value}


class Node:
    """``gate`` decides whether it runs; its worker id is its name."""

    def __init__(
        self,
        name: str,
        *,
        database: Database,
        witness: Witness,
        weather: Weather,
        chance: Random,
        flows: Sequence[FlowDefinition],
        notifiers: Sequence[Registration],
        handlers: Handlers,
        settings: dict[str, Any],
        concurrency: int,
        skew_seconds: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.gate = Gate()
        self.witness = witness
        self.chance = chance
        self.has_stopped = False
        self.runtime = FaultyRuntime(concurrency, weather, chance)
        self._handle = FaultyStorage(database, self)
        self.context = OUTSIDE.copy()
        self.context.run(GATE.set, self.gate)
        self.context.run(NODE.set, self)
        clock = VirtualClock(loop)
        self._clock = _Skewed(clock, skew_seconds)
        self.engine = Engine(
            store=self._handle,
            runtime=self.runtime,
            flows=flows,
            handlers=handlers,
            services=Services(),
            clock=self._clock,
            settings=EngineSettings(worker_id=name, **settings),
            chance=chance,
            limits=witness.bounds.of_types,
            notifiers=notifiers,
        )
        self._starting = self.spawn(self._start())

    async def _start(self) -> None:
        """What looks after processes starts one again that could not reach the store."""
        while True:
            try:
                return await self.engine.start()
            except StorageUnavailable as error:
                self.witness.note(f"{self.name} cannot start: {error}")
                await asyncio.sleep(1.0)
            except BaseException as error:
                self.witness.broken(error)
                raise

    @property
    def store(self) -> FaultyStorage:
        """As the process reaches it."""
        return self._handle

    @property
    def schedules(self) -> ScheduleDesk:
        scheduler = self.engine.scheduler
        return ScheduleDesk(self._handle, scheduler.compiled, self._clock, scheduler.look)

    def now(self) -> datetime:
        return self._clock.now()

    @property
    def is_up(self) -> bool:
        return not self.gate.is_dead and not self.has_stopped

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let the process do something."""
        return asyncio.get_running_loop().create_task(work, context=self.context.copy())

    def kill(self) -> None:
        """Like ``kill -9``: not a line of it runs any more."""
        if not self.gate.is_dead:
            self.gate.kill()
            self.witness.node_has_died(self.name)

    async def stop(self) -> None:
        """Gracefully; afterwards the process is gone."""
        self.has_stopped = True
        await self._starting
        await self.engine.stop()
        self.witness.note(f"{self.name} has stopped")

    def leftovers(self) -> dict[str, object]:
        """What an idle engine still holds on to; empty when all is well."""
        engine = self.engine
        found: dict[str, object] = {
            "leases": len(engine._leases),
            "waiters": dict(engine._waiters._waiting),
            "queue": len(engine._committer._queue),
            "fetches": set(engine._committer._aside),
        }
        return {name: value for name, value in found.items() if value} | self.runtime.leftovers()

    async def bury(self) -> None:
        """Cancel what is left of the process, so that nothing outlives the history."""
        self._handle.is_cut = True
        self.gate.open_for_burial()
        for _ in range(100):
            left = [task for task in self.gate.tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=60.0)
        for task in self.gate.tasks:
            if task.done() and not task.cancelled():
                task.exception()  # it has been seen


class _Skewed:
    """A clock that is a little off."""

    def __init__(self, clock: VirtualClock, skew_seconds: float) -> None:
        self._clock = clock
        self._skew = timedelta(seconds=skew_seconds)

    def now(self) -> datetime:
        return self._clock.now() + self._skew

    async def wait(self, event: asyncio.Event, timeout_seconds: float | None) -> bool:
        return await self._clock.wait(event, timeout_seconds)


NODE: ContextVar[Node] = ContextVar("node")
"""The process that the running code belongs to."""
