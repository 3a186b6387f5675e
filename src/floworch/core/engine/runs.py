"""Runs at hand: planning states and payloads of the runs that this engine advanced last.

Only an optimisation: a stale state meets a conflict when it is used for a commit, and is loaded again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from uuid import UUID

from floworch.core.dag.keys import scope_of
from floworch.core.engine.plans import Plans
from floworch.core.machine.apply import rebuild
from floworch.core.machine.state import RunState
from floworch.core.model.ids import RunKey
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.ports.storage import Storage, StoredRun
from floworch.errors import ManifestNotUnderstood

__all__ = ["CachedRun", "Runs"]

_LARGEST_CACHED_OUTPUT_CHARS = 64 * 1024


@dataclass(slots=True)
class CachedRun:
    state: RunState
    payloads: dict[PayloadRef, Payload | None] = field(default_factory=dict)

    def keep(self, ref: PayloadRef, payload: Payload | None) -> None:
        """Remember a payload for the decisions and inputs of later steps."""
        small = payload is None or len(payload.text) <= _LARGEST_CACHED_OUTPUT_CHARS
        if small or ref.kind is PayloadKind.ITEMS:
            self.payloads[ref] = payload

    def forget_scopes(self, scopes: Set[str]) -> None:
        """Drop the payloads of iterations that have ended."""
        if scopes:
            for ref in [ref for ref in self.payloads if scope_of(ref.step_key) in scopes]:
                del self.payloads[ref]


class Runs:
    """Beyond ``capacity`` the runs are dropped that have not been advanced for longest."""

    def __init__(self, store: Storage, plans: Plans, capacity: int) -> None:
        self._store = store
        self._plans = plans
        self._capacity = capacity
        self._cached: OrderedDict[RunKey, CachedRun] = OrderedDict()

    def get(self, run_id: UUID) -> CachedRun | None:
        return self._cached.get(run_id.int)

    def is_under_way(self, run_id: UUID) -> bool:
        """Whether this process advances the run. One that has ended is cached where somebody has asked in vain for a
        change of it."""
        run = self.get(run_id)
        return run is not None and not run.state.status.is_final

    def put(self, run: CachedRun) -> None:
        key = run.state.facts.run_id.int
        self._cached[key] = run
        self._cached.move_to_end(key)
        if len(self._cached) > self._capacity:
            self._cached.popitem(last=False)

    def drop(self, run_id: UUID) -> None:
        self._cached.pop(run_id.int, None)

    async def load(
        self, run_ids: Iterable[UUID], unreadable: dict[RunKey, ManifestNotUnderstood] | None = None
    ) -> dict[UUID, CachedRun]:
        """The runs that exist, fresh from the store, and cached from now on.

        Those that go by versions which this process cannot read are noted as ``unreadable``; without it, one of them
        raises ManifestNotUnderstood."""
        loaded: dict[UUID, CachedRun] = {}
        for run_id, stored in (await self._store.load(list(run_ids))).items():
            try:
                loaded[run_id] = CachedRun(await self.state_of(stored))
            except ManifestNotUnderstood as error:
                if unreadable is None:
                    raise
                unreadable[run_id.int] = error
            else:
                self.put(loaded[run_id])
        return loaded

    async def rebuilt(self, stored: StoredRun) -> CachedRun:
        """A run from its rows, with the payloads that are at hand. It is not cached: that is for whoever commits it."""
        cached = self.get(stored.facts.run_id)
        if cached is not None and cached.state.revision != stored.revision:
            self.drop(stored.facts.run_id)
            cached = None
        return CachedRun(await self.state_of(stored), dict(cached.payloads) if cached else {})

    async def state_of(self, run: StoredRun) -> RunState:
        """The planner's state of a stored run; changes nothing here."""
        return rebuild(
            run.facts,
            await self._plans.of(run.facts),
            revision=run.revision,
            status=run.status,
            deadline=run.deadline,
            stop=run.stop,
            ended_at=run.ended_at,
            steps=run.steps,
            signals=run.signals,
            suspension=run.suspension,
        )

    async def payloads(self, run_id: UUID, refs: Iterable[PayloadRef]) -> dict[PayloadRef, Payload | None]:
        """The payloads, from the cache where it has them."""
        cached = self.get(run_id)
        found = {ref: cached.payloads[ref] for ref in refs if ref in cached.payloads} if cached else {}
        missing = [ref for ref in refs if ref not in found]
        if missing:
            loaded = await self._store.load_payloads(run_id, missing)
            found.update(loaded)
            for ref, payload in loaded.items() if cached else ():
                cached.keep(ref, payload)  # type: ignore[union-attr]
        return found
