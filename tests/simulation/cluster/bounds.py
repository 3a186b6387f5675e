"""Limits of a history: what is limited, changed while it goes on, and checked by counting in another way."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from floworch.core.model.flow import FlowDefinition
from floworch.core.model.limits import Limit, Rate, flow_limit, key_limit, type_limit
from floworch.core.ports.storage import LeaseKey
from floworch.storage.memory import MemoryStorage
from floworch.storage.memory.rows import RunRow, StepRow

__all__ = ["Bounds"]

Share = tuple[str, str]
"""Name of a limit, and the key of the run for a limit per key."""


class Bounds:
    """``of_types`` are what the processes are started with. The numbers of the limits may change, but what is limited
    stays so: a process may start what it does not know to be limited."""

    def __init__(self, store: MemoryStorage, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self.of_types: dict[str, Limit] = {}
        self.in_force: dict[str, Limit] = {}
        self._largest: Counter[str] = Counter()
        self._starts: defaultdict[Share, list[datetime]] = defaultdict(list)

    def draw(self, chance: Random, flows: Sequence[FlowDefinition]) -> None:
        """Limit some of it; in half of the histories nothing."""
        if chance.random() < 0.5:
            return
        if chance.random() < 0.3:
            self.of_types["Work"] = self._limit(type_limit("work"), chance)
        for flow in flows:
            self._bind(flow, chance.choice(["nothing", "flow", "key", "both"]), chance)

    async def meddle(self, chance: Random, seconds: float) -> None:
        """Let somebody set other limits at any time."""
        for _ in range(chance.choice([0, 1, 4]) if self.in_force else 0):
            await asyncio.sleep(chance.uniform(0.0, seconds / 2))
            name, limit = chance.choice(sorted(self.in_force)), Limit(concurrency=chance.choice([1, 2, 5]))
            self._hold(name, limit)
            await self._store.override_limit(name, limit)

    def _bind(self, flow: FlowDefinition, kind: str, chance: Random) -> None:
        added: dict[str, object] = {}
        if kind in ("flow", "both"):
            added["limit"] = self._limit(flow_limit(flow.id), chance)
        if kind in ("key", "both"):
            added["concurrency_key"] = chance.choice(["@trigger().key", "@length(run().id)"])
            added["key_limit"] = self._limit(key_limit(flow.id), chance)
        flow.manifest = flow.manifest.model_copy(update=added)

    def _hold(self, name: str, limit: Limit) -> None:
        self.in_force[name] = limit
        self._largest[name] = max(self._largest[name], limit.concurrency or 0)

    def started(self, run_id: UUID, step_key: str) -> None:
        """A claim was won: what runs now is within all limits, and it has not come too soon after others."""
        run = self._store._runs[run_id]
        for share in self._shares(run, run.steps[step_key]):
            limit = self.in_force[share[0]]
            running = sum(share in self._shares(*row) for row in self._leased())
            assert limit.concurrency is None or running <= limit.concurrency, f"{running} run at once of {share}"
            self._check_rate(share, limit.rate)

    def started_without_asking(self, run_id: UUID, step_key: str) -> None:
        """Somebody has started the step in a commit that makes it ready."""
        run = self._store._runs[run_id]
        shares = list(self._shares(run, run.steps[step_key]))
        assert not shares, f"{step_key} was started beside {shares}"

    def check_at_work(self, at_work: Iterable[LeaseKey]) -> None:
        """Handlers that are at work on attempts which are not over."""
        working: Counter[Share] = Counter()
        for run_id, step_key, attempt in at_work:
            run = self._store._runs[run_id]
            row = run.steps.get(step_key)
            if row is not None and row.lease_until is not None and row.state.attempt == attempt:
                working.update(self._shares(run, row))
        for share, count in working.items():
            most = self._largest[share[0]]
            assert not most or count <= most, f"{count} handlers of {share} are at work"

    def _check_rate(self, share: Share, rate: Rate | None) -> None:
        if rate is None:
            return
        now = self._now()
        starts = self._starts[share]
        starts.append(now)
        within = [at for at in starts if at > now - timedelta(seconds=rate.per_seconds)]
        assert len(within) < rate.count + rate.burst, f"{len(within)} of {share} started in {rate.per_seconds} s"

    def _limit(self, name: str, chance: Random) -> Limit:
        rate = None
        if chance.random() < 0.3:
            count, seconds = chance.choice([1, 3]), chance.choice([0.5, 3.0])
            rate = Rate(count=count, per_seconds=seconds, burst=chance.choice([1, 2]))
        limit = Limit(concurrency=chance.choice([1, 1, 2, 3]), rate=rate)
        self._hold(name, limit)
        return limit

    def _leased(self) -> Iterator[tuple[RunRow, StepRow]]:
        for run in self._store._runs.values():
            for row in run.steps.values():
                if row.lease_until is not None:
                    yield run, row

    def _shares(self, run: RunRow, row: StepRow) -> Iterator[Share]:
        facts = run.facts
        if row.type.lower() == "work" and type_limit("work") in self.in_force:
            yield type_limit("work"), ""
        if flow_limit(facts.flow_id) in self.in_force:
            yield flow_limit(facts.flow_id), ""
        if facts.concurrency_key is not None and key_limit(facts.flow_id) in self.in_force:
            yield key_limit(facts.flow_id), facts.concurrency_key
