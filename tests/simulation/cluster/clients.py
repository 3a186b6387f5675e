"""What the outside world asks of the processes: it starts runs, waits for them, stops them and retries their steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from floworch.core.engine.requests import Started
from floworch.core.model.payload import Payload
from floworch.core.model.status import StepStatus
from floworch.errors import (
    ConfigurationError,
    FlowDisabled,
    InvalidTransition,
    MigrationRefused,
    NotFound,
    SignalNotExpected,
    SignalRefused,
    StepNotFound,
    StorageUnavailable,
    WaitTimeout,
)
from tests.simulation.cluster.node import Node
from tests.simulation.cluster.stories import SIGNALS
from tests.simulation.cluster.witness import Witness

__all__ = ["Clients", "NoAnswer"]

_T = TypeVar("_T")


class Clients:
    """``nodes`` gives the processes that are up. A client whose process dies gets no answer, and asks another one."""

    def __init__(self, nodes: Callable[[], Sequence[Node]], witness: Witness, chance: Random) -> None:
        self._nodes = nodes
        self._witness = witness
        self._chance = chance
        self._retries = 0
        self.accepted: set[UUID] = set()
        """Ids that triggers have answered with."""
        self.acknowledged: dict[UUID, UUID] = {}
        """Signals that were answered for → their runs."""

    async def start_runs(self, flow_ids: Sequence[UUID], seconds: float) -> None:
        """Trigger a few runs, some of them by several clients with the same key."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._chance.randint(1, 4)):
                key = f"key-{number}" if self._chance.random() < 0.6 else None
                flow_id = self._chance.choice(flow_ids)
                limit = timedelta(seconds=self._chance.uniform(0.5, 40.0)) if self._chance.random() < 0.2 else None
                for _ in range(self._chance.choice([1, 1, 2, 5]) if key else 1):
                    delay = self._chance.choice([0.0, 0.0, self._chance.uniform(0.0, seconds)])
                    group.create_task(self._start_run(flow_id, key, limit, delay))

    async def make_trouble(self, seconds: float) -> None:
        """Cancel runs and retry steps, at any time and with little regard for whether that makes sense."""
        stops, retries = self._chance.choice([(0, 0), (0, 0), (1, 0), (0, 3), (1, 3)])
        async with asyncio.TaskGroup() as group:
            for _ in range(stops):
                group.create_task(self._stop_some_run(self._chance.uniform(0.0, seconds)))
            for _ in range(retries):
                group.create_task(self._retry_some_step(self._chance.uniform(0.0, 2 * seconds)))
            for _ in range(self._chance.choice([0, 0, 2, 6])):
                group.create_task(self._migrate_some_run(self._chance.uniform(0.0, 2 * seconds)))

    async def send_signals(self) -> None:
        """Send signals to runs until nobody wants any more: to steps that wait, to steps to come, to runs that have
        ended, and some of them twice. The next one is sent when the last one was answered, however slow the store is.
        """
        while True:
            await asyncio.sleep(self._chance.choice([0.1, 1.0, 5.0]))
            runs = self._witness.open_runs if self._chance.random() < 0.95 else list(self._witness.runs)
            if runs:
                run_id, name = self._chance.choice(runs), self._chance.choice(SIGNALS)
                key = f"key-{self._chance.randint(0, 20)}" if self._chance.random() < 0.3 else None
                times = self._chance.choice([1, 1, 1, 2, 3])
                await asyncio.gather(*(self._signal(run_id, name, key) for _ in range(times)))

    async def _signal(self, run_id: UUID, name: str, key: str | None) -> None:
        node = await self.some_node()
        payload = self._chance.choice([name, name, "text", 3, {"n": 1}])
        try:
            sent = await self.ask(node, lambda: node.engine.signal(run_id, name, Payload.of(payload), key))
        except SignalRefused:
            if isinstance(payload, str):
                self._witness.broken(AssertionError(f"{payload!r} was refused, and everybody takes texts"))
            return
        except (StorageUnavailable, NoAnswer, SignalNotExpected):
            return
        self.acknowledged[sent.signal_id] = run_id

    async def meddle_with_schedules(self, seconds: float) -> None:
        """Pause schedules and let them go on, disable flows; at last nothing is disabled."""
        flows = sorted({flow_id for flow_id, _ in self._witness.almanac.triggers})
        for flow_id in flows if self._chance.random() < 0.4 else ():
            await asyncio.sleep(self._chance.uniform(0.0, seconds / 2))
            await self._meddle(flow_id, "disable")
            await asyncio.sleep(self._chance.uniform(0.0, seconds / 2))
            is_enabled = False
            while not is_enabled:
                is_enabled = await self._meddle(flow_id, "enable")
                await asyncio.sleep(1.0)
        for _ in range(self._chance.choice([0, 1, 3]) if flows else 0):
            await asyncio.sleep(self._chance.uniform(0.0, seconds / 3))
            flow_id, key = self._chance.choice(sorted(self._witness.almanac.triggers))
            await self._meddle(flow_id, self._chance.choice(["pause", "pause_until", "resume"]), key)

    async def _meddle(self, flow_id: UUID, what: str, key: str = "") -> bool:
        """Whether there was an answer."""
        node = await self.some_node()
        until = node.now() + timedelta(seconds=self._chance.uniform(0.1, 8.0))
        does: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "disable": lambda: node.schedules.set_enabled(flow_id, False),
            "enable": lambda: node.schedules.set_enabled(flow_id, True),
            "pause": lambda: node.schedules.pause(flow_id, key, "so", None),
            "pause_until": lambda: node.schedules.pause(flow_id, key, "so", until),
            "resume": lambda: node.schedules.resume(flow_id, key),
        }
        try:
            await self.ask(node, does[what])
        except (StorageUnavailable, NoAnswer, NotFound, ConfigurationError):
            return False
        return True

    async def _start_run(self, flow_id: UUID, key: str | None, limit: timedelta | None, delay: float) -> None:
        await asyncio.sleep(delay)
        while True:
            node = await self.some_node()
            try:
                started = await self.ask(node, partial(self._trigger, node, flow_id, key, limit))
            except FlowDisabled:
                await asyncio.sleep(1.0)
            except (StorageUnavailable, NoAnswer):
                if key is None:
                    return  # it may have started, and asking again might start another one
                await asyncio.sleep(1.0)
            else:
                self._accept(started.run_id, flow_id, key)
                await self._wait_for(started.run_id)
                return

    async def _trigger(self, node: Node, flow_id: UUID, key: str | None, limit: timedelta | None) -> Started:
        body = Payload.of(self._witness.stories[flow_id].flow.body)
        return await node.engine.trigger(flow_id, "manual", body, None, idempotency_key=key, time_limit=limit)

    def _accept(self, run_id: UUID, flow_id: UUID, key: str | None) -> None:
        self.accepted.add(run_id)
        if run_id not in self._witness.runs:
            self._witness.broken(AssertionError(f"a trigger was answered with {run_id}, and there is no such run"))
        if key is not None and self._witness.keys.get((flow_id, key)) != run_id:
            self._witness.broken(AssertionError(f"{key} is the key of another run than {run_id}"))

    async def _wait_for(self, run_id: UUID) -> None:
        patience = self._chance.choice([None, 1.0, 30.0])
        node = await self.some_node()
        try:
            record, _ = await self.ask(node, lambda: node.engine.wait(run_id, patience))
        except (StorageUnavailable, NoAnswer, WaitTimeout):
            return
        if not record.status.is_final:
            self._witness.broken(AssertionError(f"wait() came back although {run_id} has not ended"))

    async def _stop_some_run(self, delay: float) -> None:
        await asyncio.sleep(delay)
        node = await self.some_node()
        runs = list(self._witness.runs)
        if not runs:
            return
        run_id = self._chance.choice(runs)
        try:
            await self.ask(node, lambda: node.engine.stop_run(run_id, "enough"))
        except (StorageUnavailable, NoAnswer, InvalidTransition):
            return
        self._check_stopped(run_id)

    def _check_stopped(self, run_id: UUID) -> None:
        run = self._witness.runs[run_id]
        if run.stop is None and not run.retries:
            self._witness.broken(AssertionError(f"a cancel was confirmed, and {run_id} is not stopped"))

    async def _migrate_some_run(self, delay: float) -> None:
        """To the other version of its flow, or back."""
        await asyncio.sleep(delay)
        node = await self.some_node()
        if not self._witness.runs:
            return
        run_id = self._chance.choice(list(self._witness.runs))
        place = self._chance.randint(0, 1)
        try:
            await self.ask(node, lambda: _migrate(node, run_id, place))
        except MigrationRefused as refusal:
            self._witness.broken(AssertionError(f"{run_id} does not fit a version that says the same: {refusal}"))
        except (StorageUnavailable, NoAnswer, InvalidTransition, NotFound):
            return

    async def _retry_some_step(self, delay: float) -> None:
        await asyncio.sleep(delay)
        node = await self.some_node()
        steps = [
            (run_id, key)
            for run_id, run in self._witness.runs.items()
            for key, row in run.ledger.rows.items()
            if row.status is StepStatus.FAILED or self._chance.random() < 0.05
        ]
        if not steps:
            return
        run_id, key = self._chance.choice(steps)
        everything = self._chance.random() < 0.3
        self._retries += 1
        by = f"mender-{self._retries}"
        try:
            if everything:
                await self.ask(node, lambda: node.engine.retries.retry_failed(run_id, by))
            else:
                await self.ask(node, lambda: node.engine.retries.retry_step(run_id, key, by))
        except (InvalidTransition, StepNotFound):
            self._witness.check_done(run_id, by, told=False)
        except (StorageUnavailable, NoAnswer):
            return
        else:
            self._witness.check_done(run_id, by, told=True)

    async def ask(self, node: Node, ask: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Ask a process; it may die before it answers."""
        task: asyncio.Task[_T] = node.spawn(ask())
        while not task.done():
            await asyncio.wait([task], timeout=5.0)
            if node.gate.is_dead or (node.has_stopped and not task.done()):
                raise NoAnswer
        return task.result()

    async def some_node(self) -> Node:
        while True:
            if nodes := self._nodes():
                return self._chance.choice(nodes)
            await asyncio.sleep(0.5)


class NoAnswer(Exception):
    """The process died."""


async def _migrate(node: Node, run_id: UUID, place: int) -> None:
    record = await node.store.get_run(run_id)
    if record is not None:
        versions = await node.store.list_versions(frozenset({record.flow_id}))
        await node.engine.migrations.migrate(run_id, versions[place].manifest_hash, None, dry_run=False)
