"""One history: a seed decides everything that happens in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from floworch.core.handlers.lookup import Handlers
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.status import StepStatus
from floworch.storage.memory import MemoryStorage
from floworch.testing.clock import VirtualClock
from tests.simulation.cluster.almanac import random_schedule
from tests.simulation.cluster.askers import Askers
from tests.simulation.cluster.clients import Clients
from tests.simulation.cluster.copyists import Copyists
from tests.simulation.cluster.endings import check_ending
from tests.simulation.cluster.gate import OUTSIDE, GatedLoop
from tests.simulation.cluster.messenger import Messenger
from tests.simulation.cluster.node import Node
from tests.simulation.cluster.operators import Operators
from tests.simulation.cluster.releases import other_versions, record_of
from tests.simulation.cluster.storage import Database
from tests.simulation.cluster.stories import flow_of, random_story
from tests.simulation.cluster.weather import Weather
from tests.simulation.cluster.witness import Witness

__all__ = ["HistoryFailed", "Summary", "play"]

_LONGEST_AFTER_STORM_SECONDS = 14_400.0
_LONGEST_LEFTOVER_SECONDS = 60
"""A handler that has lost its lease may still be at work when its run has ended."""


class HistoryFailed(AssertionError):
    """Something happened that must never happen."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a history was made of, so that one can see that the histories are worth something."""

    runs: int
    children: int
    reruns: int
    forks: int
    ticks: Counter[str]
    commits: int
    processes: int
    virtual_seconds: float
    endings: tuple[str, ...]

    def figures(self) -> dict[str, int]:
        """Numbers that add up over histories."""
        counted = {"runs": self.runs, "children": self.children, "reruns": self.reruns, "forks": self.forks}
        counted |= {"commits": self.commits, "processes": self.processes}
        counted |= {f"ticks {outcome}": count for outcome, count in self.ticks.items()}
        return counted | {"virtual seconds": int(self.virtual_seconds)} | Counter(self.endings)


def play(seed: int, handlers: Handlers, trace: Callable[[str], None] | None = None) -> Summary:
    """Play the history of the seed. Raises :class:`HistoryFailed`."""
    loop = GatedLoop()
    history = _History(loop, Random(seed), handlers, trace)
    try:
        loop.run_until_complete(loop.create_task(history.run(), context=OUTSIDE.copy()))
        return history.summary()
    except Exception as error:
        raise HistoryFailed(f"seed {seed}: {error}") from error
    finally:
        _close(loop, history)


def _close(loop: GatedLoop, history: _History) -> None:
    try:
        loop.run_until_complete(loop.create_task(history.bury(), context=OUTSIDE.copy()))
    finally:
        loop.close()


class _History:
    def __init__(
        self, loop: GatedLoop, chance: Random, handlers: Handlers, trace: Callable[[str], None] | None
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._handlers = handlers
        self._weather = Weather.forecast(chance)
        clock = VirtualClock(loop)
        self._store = MemoryStorage(clock)
        self._settings = _settings(chance)
        self._now = clock.now
        self._witness = Witness(self._store, clock.now, trace, self._settings["schedule_grace_seconds"])
        self._database = Database(loop, self._store, self._weather, chance, self._witness, chance.choice([1, 2, 2]))
        self._nodes: list[Node] = []
        self._stops: list[asyncio.Task[None]] = []
        self._clients = Clients(self._up, self._witness, chance)
        self._operators = Operators(self._clients, self._witness, chance)
        self._copyists = Copyists(self._clients, self._witness, chance)
        self._askers = Askers(self._clients, self._witness, chance)
        self._concurrency = chance.choice([1, 2, 4, 16])
        self._skews = chance.choice([0.0, 0.0, 2.0])
        self._fleet = chance.choice([1, 2, 2, 3])
        self._flows: list[FlowDefinition] = []
        self._draw_flows(chance.randint(1, 2), chance.choice([0, 0, 1, 2]))
        self._witness.bounds.draw(chance, self._flows)
        self._messenger = Messenger(chance, chance.choice([0.0, 0.1, 0.3]))
        loop.set_exception_handler(self._exception)

    def _draw_flows(self, flows: int, children: int) -> None:
        """The last ones first: a flow may start those after it."""
        chance = self._chance
        for number in range(flows + children, 0, -1):
            later, flow_id = [flow.name for flow in self._flows], UUID(int=number)
            story = self._witness.stories[flow_id] = random_story(chance, later, is_short=number > flows)
            schedules = {
                f"tick-{each}": random_schedule(chance, self._now(), chance.choice([None, story.flow.body]))
                for each in range(chance.choice([0, 0, 0, 0, 0, 1]))
            }
            self._witness.almanac.triggers |= {(flow_id, key): each for key, each in schedules.items()}
            self._flows.append(flow_of(story, flow_id, chance, schedules))

    def summary(self) -> Summary:
        return Summary(
            runs=len(self._witness.runs),
            children=sum(run.facts.parent is not None for run in self._witness.runs.values()),
            reruns=sum(run.is_rerun for run in self._witness.runs.values()),
            forks=sum(run.is_fork for run in self._witness.runs.values()),
            ticks=self._witness.almanac.outcomes,
            commits=self._witness.commits,
            processes=len(self._nodes),
            virtual_seconds=self._loop.time(),
            endings=tuple(run.status.value for run in self._witness.runs.values()),
        )

    async def run(self) -> None:
        await self._store.save_flows(list(other_versions(self._flows)))
        await self._store.save_flows(list(map(record_of, self._flows)))
        for _ in range(self._fleet):
            self._start_node()
        seconds = self._weather.storm_seconds
        background = [
            self._task(self._clients.start_runs([flow.id for flow in self._flows], seconds)),
            self._task(self._clients.make_trouble(seconds)),
            self._task(self._operators.decide(seconds)),
            self._task(self._copyists.copy(seconds)),
            self._task(self._witness.bounds.meddle(self._chance, seconds)),
            self._task(self._clients.meddle_with_schedules(seconds)),
            self._task(self._askers.ask_why()),
        ]
        lasting = [
            self._task(self._clients.send_signals()),
            self._task(self._operators.resume_what_is_suspended()),
        ]
        storm = [self._task(self._blow()), self._task(self._keep_fleet_up())]
        await self._until(lambda: self._loop.time() >= seconds, seconds + 1.0)
        self._calm_down()
        self._askers.know_enough = True
        for task in storm:
            task.cancel()
        if not self._up():
            self._start_node()
        await self._until(
            lambda: all(task.done() for task in background + self._stops) and self._is_over(),
            _LONGEST_AFTER_STORM_SECONDS,
        )
        for task in background + self._stops:
            task.result()
        for task in lasting:
            task.cancel()
        await self._settle_down()
        check_ending(self._witness, self._store, self._clients.accepted, self._weather, self._clients.acknowledged)
        self._messenger.check_end(self._store)
        self._witness.almanac.check_end(
            {key: await self._store.list_ticks(*key, 1000) for key in self._witness.almanac.ticks}
        )

    def _is_over(self) -> bool:
        is_told = self._messenger.is_over(self._store)
        return is_told and not self._witness.open_runs and not self._store._untold and self._witness.almanac.is_over

    async def _until(self, is_reached: Callable[[], bool], seconds: float) -> None:
        """Let time pass until then; fail when something is broken, or when it takes too long."""
        end = self._loop.time() + seconds
        while not is_reached():
            self._raise_failure()
            if self._loop.time() > end:
                rows = {str(run): self._witness.runs[run].ledger.rows for run in self._witness.open_runs}
                raise AssertionError(f"after {seconds:g} s it is not over: {rows}")
            await asyncio.sleep(1.0)
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._witness.failure is not None:
            raise self._witness.failure

    async def _settle_down(self) -> None:
        """Everything is done: the engines hold on to nothing, and stop at once."""
        for _ in range(_LONGEST_LEFTOVER_SECONDS):
            if any(node.leftovers() for node in self._up()):
                await asyncio.sleep(1.0)
        self._raise_failure()
        for node in self._up():
            assert not node.leftovers(), f"{node.name} holds on to {node.leftovers()}"
            began = self._loop.time()
            await self._stop(node)
            assert self._loop.time() - began < 30.0, f"{node.name} took {self._loop.time() - began} s to stop"
            left = [task for task in node.gate.tasks if not task.done()]
            assert not left, f"{node.name} left tasks behind: {left}"
        self._raise_failure()

    async def bury(self) -> None:
        for node in self._nodes:
            await node.bury()

    # -- trouble

    async def _blow(self) -> None:
        while True:
            await asyncio.sleep(min(self._chance.expovariate(1 / self._weather.fault_interval_seconds), 1e6))
            up = self._up()
            match self._chance.choice(["kill", "kill", "pause", "pause", "outage", "stop"]):
                case "kill" if up:
                    self._chance.choice(up).kill()
                case "stop" if up:
                    node = self._chance.choice(up)
                    self._witness.note(f"{node.name} stops")
                    node.has_stopped = True
                    self._stops.append(self._task(self._stop(node)))
                case "pause" if up:
                    self._task(self._pause(self._chance.choice(up)))
                case "outage":
                    self._task(self._outage())

    async def _stop(self, node: Node) -> None:
        """A process that stops keeps no lease. Unless it is killed meanwhile, or could not reach the store: then it may
        not even know of a lease."""
        task = node.spawn(node.stop())
        while not task.done():
            await asyncio.wait([task], timeout=5.0)
            if node.gate.is_dead:
                return
        task.result()
        if not self._database.refusals:
            self._check_handed_back(node)
        node.kill()

    def _check_handed_back(self, node: Node) -> None:
        kept = [
            (str(run_id), key)
            for run_id, run in self._witness.runs.items()
            for key, row in run.ledger.rows.items()
            if row.status is StepStatus.RUNNING and row.owner == node.name
        ]
        if kept:
            self._witness.broken(AssertionError(f"{node.name} has stopped and keeps the leases of {kept}"))

    async def _pause(self, node: Node) -> None:
        seconds = self._chance.uniform(0.1, 15.0)
        self._witness.note(f"{node.name} pauses for {seconds:.3f} s")
        node.gate.pause()
        await asyncio.sleep(seconds)
        node.gate.resume()

    async def _outage(self) -> None:
        self._witness.note("the store is down")
        self._database.is_down = True
        await asyncio.sleep(self._chance.uniform(0.1, 8.0))
        self._database.is_down = False

    def _calm_down(self) -> None:
        self._witness.note("the storm is over")
        self._weather.end()
        self._database.is_down = False
        for node in self._nodes:
            node.gate.resume()

    async def _keep_fleet_up(self) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(0.1, 6.0))
            if len(self._up()) < self._fleet:
                self._start_node()

    def _start_node(self) -> None:
        node = Node(
            f"p{len(self._nodes) + 1}",
            database=self._database,
            witness=self._witness,
            weather=self._weather,
            chance=self._chance,
            flows=self._flows,
            notifiers=self._messenger.registrations(self._flows),
            handlers=self._handlers,
            settings=self._settings,
            concurrency=self._concurrency,
            skew_seconds=self._chance.uniform(-self._skews, self._skews),
        )
        self._nodes.append(node)
        self._witness.note(f"{node.name} starts")

    def _up(self) -> list[Node]:
        return [node for node in self._nodes if node.is_up]

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(work, context=OUTSIDE.copy())

    def _exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._witness.broken(context.get("exception") or AssertionError(context["message"]))


def _settings(chance: Random) -> dict[str, Any]:
    lease_seconds = chance.choice([3.0, 6.0])
    return {
        "lease_seconds": lease_seconds,
        "heartbeat_seconds": lease_seconds / 3,
        "poll_interval_seconds": chance.choice([1.0, 4.0]),
        "cached_runs": chance.choice([1, 2, 2000]),
        "max_batch": chance.choice([1, 2, 256]),
        "cancel_grace_seconds": 2.0,
        "schedule_grace_seconds": chance.choice([2.0, 60.0]),
        "idle_poll_seconds": 5.0,
        "drain_seconds": chance.choice([0.0, 1.0, 10.0]),
        "handler_threads": 1,
    }
