"""Which ready steps this process takes: those that its own commits make ready, and those that it finds in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import ScopePlan
from floworch.core.engine.availability import Availability
from floworch.core.engine.limits import Limits, without_exhausted
from floworch.core.engine.plans import Plans
from floworch.core.engine.runs import Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.handlers.lookup import Handlers
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.limits import Quota
from floworch.core.ports.clock import Clock
from floworch.core.ports.limits import LimitUse
from floworch.core.ports.runtime import Runtime
from floworch.core.ports.storage import ReadyStep, Storage

__all__ = ["Worklist"]

_FETCHED_PER_SLOT = 4
_MOST_FETCHED = 500


class Worklist:
    """``look_soon`` has :meth:`look` called soon, ``look_at`` at that time. Until :meth:`open` this process takes
    nothing."""

    def __init__(
        self,
        store: Storage,
        runtime: Runtime,
        runs: Runs,
        plans: Plans,
        handlers: Handlers,
        settings: EngineSettings,
        availability: Availability,
        limits: Limits,
        clock: Clock,
        look_soon: Callable[[], None],
        look_at: Callable[[datetime], None],
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._runs = runs
        self._plans = plans
        self._handlers = handlers
        self._settings = settings
        self._availability = availability
        self._limits = limits
        self._clock = clock
        self._look_soon = look_soon
        self._look_at = look_at
        self.used_types = frozenset(word for plan in plans.current.values() for word in _types_in(plan.root))
        """Step types of the flows of this process, in every spelling."""
        self.step_types = _step_types(self.used_types, handlers)
        self._is_open = False
        self._has_backlog = False

    async def open(self) -> None:
        """From now on this process works, also on runs of other versions of its flows that go on."""
        for version in await self._store.list_versions(frozenset(self._plans.current)):
            key = version.flow_id, version.manifest_hash
            if version.live_runs and await self._plans.understands(*key):
                plan = await self._plans.version(*key, version.version)
                self.step_types |= {word for word in _types_in(plan.root) if word in self._handlers}
        self._is_open = True

    def hand_out(self, state: RunState, step_keys: Iterable[str]) -> None:
        """Dispatch those of the run's ready steps that this process can run. For limited ones it looks, because others
        may have waited for longer."""
        tasks = [task for key in step_keys if (task := self._task(state, key))]
        free = [task for task in tasks if not self._limits.quotas_of(task)]
        self._runtime.dispatch(free)
        if len(free) < len(tasks):
            self._look_soon()

    def leaves_work(self, changes: Iterable[tuple[RunFacts, Transition]]) -> bool:
        """Whether these transitions make more steps ready, or let more limited ones start, than this process can take
        now."""
        changes = list(changes)
        types = [transition.steps[key].type for _, transition in changes for key in transition.ready]
        gains = any(self._limits.gain_from(*change) for change in changes)
        if not types and not gains:
            return False
        can_take = self._runtime.free_slots() if self._is_open else 0
        return len(types) + gains > can_take or not all(map(self._handlers.__contains__, types))

    async def look(self) -> bool:
        """Fetch ready steps of whatever process into free slots; whether there were any, or may be once something is
        left of a limit.

        More than there are slots, because others may be quicker: what they take is passed over when it is claimed.
        """
        free = self._runtime.free_slots()
        use = await self._limits.look(has_room=free > 0)
        self._has_backlog = free == 0
        if free == 0 or not self.step_types:
            return free == 0
        wanted = min(free * _FETCHED_PER_SLOT, _MOST_FETCHED)
        if use is not None:
            return await self._look_within(use, wanted)
        found = await self._store.ready(
            wanted, self.step_types, frozenset(self._plans.current), unreadable=self._plans.not_understood
        )
        self._has_backlog = len(found) == wanted
        self._runtime.dispatch(await self._readable(found))
        return bool(found)

    async def _look_within(self, use: LimitUse, wanted: int) -> bool:
        """The same where something is limited: leave out what would be refused."""
        tally = use.tally()
        open_ = without_exhausted(tally.exhausted, self.step_types, self._plans.current)
        found = await self._store.ready(wanted, *open_, unreadable=self._plans.not_understood)
        found = await self._readable(found)
        quotas = [self._limits.quotas_of(task) for task in found]
        granted = tally.grant(quotas)
        self._has_backlog = len(found) == wanted
        self._runtime.dispatch([task for task, is_granted in zip(found, granted, strict=True) if is_granted])
        for each, is_granted in zip(quotas, granted, strict=True):
            if is_granted:
                tally.take(each)
        if (resumes_at := tally.resumes_at) is not None:
            self._look_at(self._clock.now() + (resumes_at - use.at))
        return bool(found or tally.exhausted)

    async def _readable(self, found: Sequence[ReadyStep]) -> list[ReadyStep]:
        """Those of runs whose versions this process can read. The others are left to newer ones, and not even claimed:
        what is claimed and then given up is a lost attempt."""
        versions = {(task.flow_id, task.manifest_hash) for task in found}
        known = {version for version in versions if await self._plans.understands(*version)}
        return [task for task in found if (task.flow_id, task.manifest_hash) in known]

    def has_room(self) -> None:
        """Slots are free, and nothing is queued for them."""
        # While the store is away claims fail at once, and looking again at once would go round in circles.
        if self._has_backlog and self._availability.is_up:
            self._look_soon()

    def was_refused(self) -> None:
        """Nothing was left of the limit of a step when it was claimed: find out what it has to wait for."""
        self._look_soon()

    def called(self) -> None:
        """Another process has left work."""
        self._has_backlog = True
        self._look_soon()

    def quotas_of(self, task: ReadyStep) -> Sequence[Quota]:
        """What has to be left of limits for the step to start."""
        return self._limits.quotas_of(task)

    def lease_seconds(self, task: ReadyStep) -> float:
        """How long the lease of the step is to be."""
        run = self._runs.get(task.run_id)
        plan = run.state.plan if run else self._plans.current.get(task.flow_id)
        step = find_step(plan, task.step_key) if plan else None
        return (step.lease_seconds if step else None) or self._settings.lease_seconds

    def _task(self, state: RunState, step_key: str) -> ReadyStep | None:
        step, plan = state.steps.get(step_key), find_step(state.plan, step_key)
        if step is None or plan is None or plan.type not in self._handlers:
            return None
        facts = state.facts
        return ReadyStep(
            *(facts.run_id, step_key, step.attempt, plan.type, facts.flow_id, facts.priority),
            concurrency_key=facts.concurrency_key,
        )


def _step_types(used: frozenset[str], handlers: Handlers) -> frozenset[str]:
    """Step types that this process can run, in every spelling that its flows use."""
    return frozenset(word for word in used | handlers.types if word in handlers)


def _types_in(scope: ScopePlan) -> Iterator[str]:
    for step in scope.steps.values():
        yield step.type
        if step.block is not None:
            for inner in step.block.scopes:
                yield from _types_in(inner)
