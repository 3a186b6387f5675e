"""What is limited, as this process knows it: which steps have to ask the store before they start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from floworch.core.engine.settings import EngineSettings
from floworch.core.machine.state import RunFacts
from floworch.core.machine.transition import StepChange, Transition
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.limits import Limit, Quota, flow_limit, key_limit, type_limit
from floworch.core.model.status import StepStatus
from floworch.core.policy.limits import quotas_of
from floworch.core.ports.clock import Clock
from floworch.core.ports.limits import LimitUse
from floworch.core.ports.storage import ReadyStep, Storage

__all__ = ["Limits", "without_exhausted"]


class Limits:
    """A copy of the store's limits, renewed with every look while there are any, and otherwise now and then.

    A stale copy costs no more than that: what the store has at the time of a claim is what holds, and limits that are
    new are not kept before this process has heard of them.
    """

    def __init__(self, store: Storage, clock: Clock, settings: EngineSettings) -> None:
        self._store = store
        self._clock = clock
        self._old_after = timedelta(seconds=settings.idle_poll_seconds)
        self._forget_after = timedelta(seconds=settings.retention_interval_seconds)
        self._limits: Mapping[str, Limit] = {}
        self._old_at = self._forgets_at = clock.now()

    async def register(
        self, flows: Iterable[FlowDefinition], types: Iterable[str], of_types: Mapping[str, Limit]
    ) -> None:
        """Tell the store what the code limits: flows, keys of flows, and step types."""
        code = {type_limit(step_type): limit for step_type, limit in of_types.items()}
        known = {type_limit(step_type) for step_type in types}
        for flow in flows:
            of_flow = {flow_limit(flow.id): flow.manifest.limit, key_limit(flow.id): flow.manifest.key_limit}
            code.update({name: limit for name, limit in of_flow.items() if limit is not None})
            known.update(of_flow)
        await self._store.save_limits(code, known)

    async def load(self) -> LimitUse:
        """How they stand now."""
        use = await self._store.limit_use()
        self._limits = use.limits
        self._old_at = self._clock.now() + self._old_after
        return use

    async def look(self, *, has_room: bool) -> LimitUse | None:
        """What is used up, if anything is limited and this process has room for more steps."""
        if not (self._limits and has_room) and self._clock.now() < self._old_at:
            return None
        use = await self.load()
        await self._forget_now_and_then()
        return use if self._limits and has_room else None

    def quotas(self, step_type: str, flow_id: UUID, key: str | None) -> tuple[Quota, ...]:
        """What a step needs something to be left of; empty for one that is not limited."""
        if not self._limits:
            return ()
        return tuple(quota for quota in quotas_of(step_type, flow_id, key) if quota.limit in self._limits)

    def quotas_of(self, task: ReadyStep) -> tuple[Quota, ...]:
        return self.quotas(task.type, task.flow_id, task.concurrency_key)

    def apply_to(self, step_type: str, facts: RunFacts) -> bool:
        """Whether a step of that run is limited."""
        return bool(self._limits and self.quotas(step_type, facts.flow_id, facts.concurrency_key))

    def gain_from(self, facts: RunFacts, transition: Transition) -> bool:
        """Whether the transition ends an attempt that was limited, so that another one may start."""
        if not self._limits:
            return False
        return any(_ends(change) and self.apply_to(change.type, facts) for change in transition.steps.values())

    async def _forget_now_and_then(self) -> None:
        now = self._clock.now()
        if now >= self._forgets_at and any(limit.rate for limit in self._limits.values()):
            await self._store.forget_arrivals()
            self._forgets_at = now + self._forget_after


def without_exhausted(
    exhausted: Iterable[Quota], step_types: frozenset[str], flow_ids: Iterable[UUID]
) -> tuple[frozenset[str], frozenset[UUID], dict[UUID, set[str]]]:
    """Types, flows, and by flow the keys to pass over: those of which steps may start."""
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for quota in exhausted:
        keys[quota.limit].add(quota.key)
    types = frozenset(each for each in step_types if type_limit(each) not in keys)
    flows = frozenset(each for each in flow_ids if flow_limit(each) not in keys)
    return types, flows, {each: keys[name] for each in flows if (name := key_limit(each)) in keys}


def _ends(change: StepChange) -> bool:
    before, state = change.before, change.state
    return before is not None and before.status is StepStatus.RUNNING and state.status is not StepStatus.RUNNING
