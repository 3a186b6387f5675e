"""One in-memory store behind a bad network, and the handles by which the processes of a history reach it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from random import Random
from typing import Any, Protocol
from uuid import UUID

from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import Batch, BatchResult, Capabilities, LeaseKey, LeaseState, Storage
from floworch.errors import CommitUnclear, StorageUnavailable
from floworch.storage.memory import MemoryStorage
from tests.simulation.cluster.gate import OUTSIDE, Gate
from tests.simulation.cluster.weather import Weather

__all__ = ["Caller", "Database", "FaultyStorage"]

_COMMITS = ("commit", "change_schedules")


class Caller(Protocol):
    """A process, as the network sees it."""

    name: str
    gate: Gate
    context: Context

    def kill(self) -> None: ...


class Onlooker(Protocol):
    """Sees everything that takes effect, in its order."""

    def before_commit(self, who: str, batch: Batch) -> None: ...
    def committed(self, who: str, batch: Batch, result: BatchResult) -> None: ...
    def before_changes(self, changes: Sequence[ScheduleChange]) -> None: ...
    def changed_schedules(self, who: str, changes: Sequence[ScheduleChange], written: Sequence[bool]) -> None: ...
    def set_flow_enabled(self, flow_id: UUID, enabled: bool) -> None: ...
    def before_renewal(self, keys: list[LeaseKey]) -> None: ...
    def renewed(self, seconds: dict[LeaseKey, float], states: dict[LeaseKey, LeaseState]) -> None: ...
    def broken(self, error: BaseException) -> None: ...


class Database:
    """Carries out calls one after the other. Calls and their answers take time on the way and may get lost."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: MemoryStorage,
        weather: Weather,
        chance: Random,
        onlooker: Onlooker,
        concurrent_commits: int,
    ) -> None:
        self.store = store
        self.concurrent_commits = concurrent_commits
        """How many each process sends at once."""
        self.is_down = False
        self.refusals = 0
        """Calls that were told that the store cannot be reached."""
        self._listeners: list[tuple[Caller, Callable[[], None]]] = []
        self._loop = loop
        self._weather = weather
        self._chance = chance
        self._onlooker = onlooker

    async def ask(self, caller: Caller, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._later(self._delay(verb), lambda: self._arrive(caller, verb, args, kwargs, answer))
        return await answer

    def listen(self, caller: Caller, wake: Callable[[], None]) -> bool:
        self._listeners.append((caller, wake))
        return self._weather.store_wakes

    def _call_others(self, caller: Caller, batch: Batch) -> None:
        if batch.caller is None or not self._weather.store_wakes:
            return
        for other, wake in self._listeners:
            if other is not caller and self._chance.random() >= self._weather.dispatch_dropped:
                self._loop.call_later(self._delay(""), wake, context=other.context)

    def _arrive(
        self, caller: Caller, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any], answer: asyncio.Future[Any]
    ) -> None:
        if caller.gate.is_dead and self._chance.random() < 0.5:
            return
        if self.is_down:
            self._answer(answer, StorageUnavailable("the store cannot be reached (simulated)"))
            return
        if verb in _COMMITS and self._chance.random() < self._weather.killed_at_commit:
            if self._chance.random() < 0.5:
                self._carry_out(caller, verb, args, kwargs)
            caller.kill()
            return
        outcome = self._carry_out(caller, verb, args, kwargs)
        if verb in _COMMITS and self._chance.random() < self._weather.answer_lost:
            outcome = CommitUnclear("the connection broke before the answer came (simulated)")
        self._answer(answer, outcome)

    def _carry_out(self, caller: Caller, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return self._watched(caller, verb, args, kwargs)
        except (AssertionError, Exception) as error:  # noqa: BLE001  (the history fails with it)
            self._onlooker.broken(error)
            return error

    def _watched(self, caller: Caller, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call: Coroutine[Any, Any, Any] = getattr(self.store, verb)(*args, **kwargs)
        if verb == "commit":
            self._onlooker.before_commit(caller.name, args[0])
            result = _at_once(call)
            self._onlooker.committed(caller.name, args[0], result)
            self._call_others(caller, args[0])
            return result
        if verb == "change_schedules":
            self._onlooker.before_changes(args[0])
            written = _at_once(call)
            self._onlooker.changed_schedules(caller.name, args[0], written)
            return written
        if verb == "set_flow_enabled":
            self._onlooker.set_flow_enabled(*args)
        if verb == "renew":
            self._onlooker.before_renewal(list(args[1]))
            states = _at_once(call)
            self._onlooker.renewed(args[1], states)
            return states
        return _at_once(call)

    def _answer(self, answer: asyncio.Future[Any], outcome: Any) -> None:
        self.refusals += isinstance(outcome, StorageUnavailable)
        self._later(self._delay(""), lambda: _settle(answer, outcome))

    def _delay(self, verb: str) -> float:
        if verb == "renew" and self._chance.random() < self._weather.slow_renewal:
            return self._chance.uniform(0.0, 12.0)
        if self._chance.random() < self._weather.slow_call:
            return self._chance.uniform(0.0, self._weather.slowest_call_seconds)
        return 0.0

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        if seconds:
            self._loop.call_later(seconds, act, context=OUTSIDE)
        else:
            self._loop.call_soon(act, context=OUTSIDE)


def _remote(verb: str) -> Callable[..., Any]:
    async def ask(self: FaultyStorage, *args: Any, **kwargs: Any) -> Any:
        return await self.ask(verb, args, kwargs)

    return ask


_VERBS = [name for name in sorted(Storage.__abstractmethods__) if inspect.iscoroutinefunction(getattr(Storage, name))]
_Remote: Any = type("_Remote", (Storage,), {verb: _remote(verb) for verb in _VERBS})


class FaultyStorage(_Remote):  # type: ignore[misc]
    """What one process has of the database: a :class:`Storage` every verb of which goes over the network."""

    def __init__(self, database: Database, caller: Caller) -> None:
        self._database = database
        self._caller = caller
        self.is_cut = False

    @property
    def capabilities(self) -> Capabilities:
        commits = self._database.concurrent_commits
        return Capabilities(shared_between_processes=True, survives_restart=True, concurrent_commits=commits)

    async def listen(self, owner: str, wake: Callable[[], None]) -> bool:
        return self._database.listen(self._caller, wake)

    async def ask(self, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.is_cut:
            raise asyncio.CancelledError
        return await self._database.ask(self._caller, verb, args, kwargs)


def _at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """The answer of a verb of the memory store: these never wait for anything."""
    try:
        call.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a verb of the memory store has waited")


def _settle(answer: asyncio.Future[Any], outcome: Any) -> None:
    if answer.done():
        return
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
