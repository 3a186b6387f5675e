"""The least that a durable engine can write: per transition, one row for what changed and one for the history.

A run of n steps has n + 1 transitions: its start, and the end of every step. Shared by the floors on databases, which
differ only in how they write.
"""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from uuid import uuid4

from benchmarks.contender import Runner

__all__ = ["CREATE_TABLES", "Journal", "Transition"]

CREATE_TABLES = (
    "CREATE TABLE run (id text PRIMARY KEY, status text NOT NULL)",
    "CREATE TABLE step (run_id text, name text, attempt integer, output text, PRIMARY KEY (run_id, name))",
    "CREATE TABLE event (id {serial} PRIMARY KEY, run_id text, facts text)",
)
"""``{serial}`` is the type of a number that the database counts up."""


@dataclass(frozen=True, slots=True)
class Transition:
    """``step`` is None where the run starts. ``ends_run`` is true for the run's last step."""

    run: str
    step: str | None
    output: str | None
    facts: str
    ends_run: bool


class Journal(Runner):
    """Group commit: while ``committers`` writes are under way, further transitions gather behind them."""

    def __init__(self, *, most_at_once: int, committers: int) -> None:
        self._most_at_once = most_at_once
        self.committers = committers
        self._queue: asyncio.Queue[tuple[Transition, asyncio.Future[None]]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    @abstractmethod
    async def write(self, committer: int, transitions: Sequence[Transition]) -> None:
        """Commit the transitions in one transaction, over the connection of that number."""

    def start(self) -> None:
        """Begin to commit; call it at the end of ``open``."""
        self._tasks = [asyncio.create_task(self._commit(number)) for number in range(self.committers)]

    async def stop(self) -> None:
        """Call it at the beginning of ``close``."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def chains(self, count: int, length: int) -> None:
        await asyncio.gather(*(self._chain(length) for _ in range(count)))

    async def fan_out(self, width: int) -> None:
        run = await self._begin()
        await asyncio.gather(*(self._step(run, number, ends_run=False) for number in range(width)))
        await self._step(run, width, ends_run=True)

    async def _chain(self, length: int) -> None:
        run = await self._begin()
        for number in range(length):
            await self._step(run, number, ends_run=number == length - 1)

    async def _begin(self) -> str:
        run = str(uuid4())
        await self._put(Transition(run, None, None, json.dumps([_fact("run.started")]), ends_run=False))
        return run

    async def _step(self, run: str, number: int, *, ends_run: bool) -> None:
        name, output = f"s{number}", json.dumps({"number": number})
        facts = [_fact("step.started", name), _fact("step.succeeded", name)]
        await self._put(Transition(run, name, output, json.dumps(facts), ends_run))

    async def _put(self, transition: Transition) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((transition, done))
        await done

    async def _commit(self, number: int) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._most_at_once and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self.write(number, [transition for transition, _ in batch])
            except Exception as error:  # noqa: BLE001 - the top of a background loop; every waiter learns of it
                for _, done in batch:
                    done.set_exception(error)
            else:
                for _, done in batch:
                    done.set_result(None)


def _fact(kind: str, step: str | None = None) -> dict[str, object]:
    return {"type": kind, "step": step, "attempt": 1, "at": time()}
