"""Limits of a history: what is limited, changed while it goes on, and checked by counting in another way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from floworch.core.model.flow import FlowDefinition
from floworch.core.model.limits import Limit, Rate, flow_limit, key_limit, type_limit
from floworch.storage.memory import MemoryStorage
from floworch.storage.memory.rows import RunRow, StepRow

__all__ = ["Bounds"]

Share = tuple[str, str]
"""Name of a limit, and the key of the run for a limit per key."""


class Bounds:
    """``of_types`` are what the processes are started with. The numbers of the limits may change, but what is limited
    stays so: a process may start what it does not know to be limited."""

    def __init__(self, store: MemoryStorage, now: Callable[[], datetime], chance: Random) -> None:
        self._store = store
        self._now = now
        self._chance = chance
        self.of_types: dict[str, Limit] = {}
        self.in_force: dict[str, Limit] = {}
        self._largest: Counter[str] = Counter()
        self._starts: defaultdict[Share, list[datetime]] = defaultdict(list)
        if chance.random() < 0.3:
            self.of_types["Work"] = self._limit(type_limit("work"))

    def bind(self, flow: FlowDefinition) -> None:
        """Limit the flow, perhaps."""
        kind = self._chance.choice(["nothing", "nothing", "flow", "key", "both"])
        added: dict[str, object] = {}
        if kind in ("flow", "both"):
            added["limit"] = self._limit(flow_limit(flow.id))
        if kind in ("key", "both"):
            added["concurrency_key"] = self._chance.choice(["@trigger().key", "@length(run().id)"])
            added["key_limit"] = self._limit(key_limit(flow.id))
        flow.manifest = flow.manifest.model_copy(update=added)

    def another(self) -> tuple[str, Limit] | None:
        """A change that somebody may make now; to be told of with :meth:`changed`."""
        if not self.in_force:
            return None
        return self._chance.choice(sorted(self.in_force)), Limit(concurrency=self._chance.choice([1, 2, 5]))

    def changed(self, name: str, limit: Limit) -> None:
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

    def check_at_work(self, at_work: Iterable[tuple[UUID, str]]) -> None:
        """Handlers whose leases have never run out."""
        working: Counter[Share] = Counter()
        for run_id, step_key in at_work:
            run = self._store._runs[run_id]
            if step_key in run.steps:
                working.update(self._shares(run, run.steps[step_key]))
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

    def _limit(self, name: str) -> Limit:
        rate = None
        if self._chance.random() < 0.3:
            count = self._chance.choice([1, 3])
            rate = Rate(count=count, per_seconds=self._chance.choice([0.5, 3.0]), burst=self._chance.choice([1, 2]))
        limit = Limit(concurrency=self._chance.choice([1, 1, 2, 3]), rate=rate)
        self.changed(name, limit)
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
