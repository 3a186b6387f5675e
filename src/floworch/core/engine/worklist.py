"""Which ready steps this process takes: those that its own commits make ready, and those that it finds in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import ScopePlan
from floworch.core.engine.availability import Availability
from floworch.core.engine.plans import Plans
from floworch.core.engine.runs import Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.handlers.registry import Handlers
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Transition
from floworch.core.ports.runtime import Runtime
from floworch.core.ports.storage import ReadyStep, Storage

__all__ = ["Worklist"]

_FETCHED_PER_SLOT = 4
_MOST_FETCHED = 500


class Worklist:
    """``look_soon`` has :meth:`look` called soon. Until :meth:`open` this process takes nothing."""

    def __init__(
        self,
        store: Storage,
        runtime: Runtime,
        runs: Runs,
        plans: Plans,
        handlers: Handlers,
        settings: EngineSettings,
        availability: Availability,
        look_soon: Callable[[], None],
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._runs = runs
        self._plans = plans
        self._handlers = handlers
        self._settings = settings
        self._availability = availability
        self._look_soon = look_soon
        self.step_types = _step_types(plans, handlers)
        self._is_open = False
        self._has_backlog = False

    def open(self) -> None:
        """From now on this process works."""
        self._is_open = True

    def hand_out(self, state: RunState, step_keys: Iterable[str]) -> None:
        """Dispatch those of the run's ready steps that this process can run."""
        self._runtime.dispatch([task for key in step_keys if (task := self._task(state, key))])

    def leaves_work(self, transitions: Iterable[Transition]) -> bool:
        """Whether these transitions make more steps ready than this process can take now."""
        types = [transition.steps[key].type for transition in transitions for key in transition.ready]
        if not types:
            return False
        can_take = self._runtime.free_slots() if self._is_open else 0
        return len(types) > can_take or not all(map(self._handlers.__contains__, types))

    async def look(self) -> bool:
        """Fetch ready steps of whatever process into free slots; whether there were any.

        More than there are slots, because others may be quicker: what they take is passed over when it is claimed.
        """
        free = self._runtime.free_slots()
        self._has_backlog = free == 0
        if free == 0 or not self.step_types:
            return free == 0
        wanted = min(free * _FETCHED_PER_SLOT, _MOST_FETCHED)
        found = await self._store.ready(wanted, self.step_types, frozenset(self._plans.current))
        self._has_backlog = len(found) == wanted
        self._runtime.dispatch(found)
        return bool(found)

    def has_room(self) -> None:
        """Slots are free, and nothing is queued for them."""
        # While the store is away claims fail at once, and looking again at once would go round in circles.
        if self._has_backlog and self._availability.is_up:
            self._look_soon()

    def called(self) -> None:
        """Another process has left work."""
        self._has_backlog = True
        self._look_soon()

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
        return ReadyStep(facts.run_id, step_key, step.attempt, plan.type, facts.flow_id, facts.priority)


def _step_types(plans: Plans, handlers: Handlers) -> frozenset[str]:
    """Step types that this process can run, in every spelling that its flows use."""
    used = {word for plan in plans.current.values() for word in _types_in(plan.root)}
    return frozenset(word for word in used | handlers.types if word in handlers)


def _types_in(scope: ScopePlan) -> Iterator[str]:
    for step in scope.steps.values():
        yield step.type
        if step.block is not None:
            for inner in step.block.scopes:
                yield from _types_in(inner)
