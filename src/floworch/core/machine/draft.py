"""The working area of one decision: a run's state with the changes made so far laid over it."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from floworch.core.dag.keys import COMPENSATE, branch_scope, child_key, is_shielded, scope_of, split_scope
from floworch.core.dag.lookup import find_step, scope_plan
from floworch.core.dag.plan import FlowPlan, GroupPlan, StepPlan
from floworch.core.machine.commands import ClaimOffer
from floworch.core.machine.environment import Payloads, PayloadsNeeded, RunEnvironment
from floworch.core.machine.state import RunFacts, RunState, StepState, Suspension
from floworch.core.machine.transition import Rarities, StepChange, Transition
from floworch.core.model.payload import Json, Payload, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus

__all__ = ["Draft", "who"]


class Draft:
    """Reads fall through to ``state``; writes collect in ``transition``. ``state`` itself is never changed."""

    __slots__ = (
        *("_given", "_ready", "_restored", "_restored_in"),
        *("facts", "known_steps", "now", "offer", "plan", "state", "transition"),
    )

    def __init__(
        self,
        state: RunState,
        now: datetime,
        payloads: Payloads,
        offer: ClaimOffer | None,
        restored: Mapping[str, StepState] | None = None,
    ) -> None:
        self.state = state
        self.facts: RunFacts = state.facts
        self.plan: FlowPlan = state.plan
        self.now = now
        self.offer = offer
        self.transition = Transition(
            state.status, state.deadline, state.stop, state.ended_at, state.suspension, {}, {}, [], {}
        )
        self.known_steps: Mapping[str, StepState] = {**restored, **state.steps} if restored else state.steps
        """The steps that the decision is made on, with those of ended iterations that it was given."""
        self._given = payloads
        self._ready: list[str] | None = None
        self._restored = restored
        self._restored_in: dict[str, dict[str, StepState]] | None = None

    def stops(self, step_key: str) -> bool:
        """Whether the step is kept from running because the run is being stopped. What cleans up is not."""
        return self.transition.stop is not None and not is_shielded(step_key)

    @property
    def rarities(self) -> Rarities:
        """Where to write what few transitions have."""
        if self.transition.rarities is None:
            self.transition.rarities = Rarities()
        return self.transition.rarities

    def step(self, key: str) -> StepState | None:
        change = self.transition.steps.get(key)
        if change is not None:
            return change.state
        if self.transition.rarities is not None and key in self.transition.rarities.removed:
            return None
        return self.known_steps.get(key)

    def apart(self) -> Draft:
        """A decision of its own on the same run, to see whether it can be made."""
        draft = Draft(self.state, self.now, self._given, None)
        draft.known_steps, draft._restored = self.known_steps, self._restored
        draft._restored_in = self._by_scope()
        return draft

    def plan_of(self, key: str) -> StepPlan:
        found = find_step(self.plan, key)
        if found is None:
            raise KeyError(key)
        return found

    def add_payload(self, ref: PayloadRef, payload: Payload | None) -> None:
        """Make a payload that this transition writes readable for the decisions that follow from it."""
        self.transition.payloads[ref] = payload

    def require(self, refs: Iterable[PayloadRef]) -> None:
        """Raise :class:`PayloadsNeeded` naming all of these that are not at hand."""
        missing = frozenset(ref for ref in refs if ref not in self.transition.payloads and ref not in self._given)
        if missing:
            raise PayloadsNeeded(missing)

    def given(self, ref: PayloadRef) -> Payload | None:
        """A payload that a step has, None when it has none. Raises :class:`PayloadsNeeded`."""
        self.require([ref])
        return self.transition.payloads.get(ref) or self._given.get(ref)

    def payloads(self, refs: Sequence[PayloadRef]) -> list[Payload | None]:
        """The payloads in that order. Raises PayloadsNeeded."""
        self.require(refs)
        known = self._known()
        return [known[ref] for ref in refs]

    def environment(self, key: str) -> RunEnvironment:
        return RunEnvironment(self, key, self._known(), self.now)

    def put(
        self,
        key: str,
        state: StepState,
        *,
        step_type: str,
        lease_seconds: float | None = None,
        inputs: Payload | None = None,
        output: Payload | None = None,
        error: StepError | None = None,
        trace: Any = None,
    ) -> None:
        """Write the whole row of a step."""
        transition = self.transition
        earlier = transition.steps.get(key)
        before = self.known_steps.get(key) if earlier is None else earlier.before
        transition.steps[key] = StepChange(state, before, step_type, lease_seconds, inputs, output, error, trace)
        if transition.rarities is not None:
            transition.rarities.removed.discard(key)

    def update_progress(self, key: str, **changes: Any) -> StepState:
        """Change fields of the progress of a step that has one."""
        state = self.step(key)
        assert state is not None
        assert state.progress is not None
        changed = state._replace(progress=replace(state.progress, **changes))
        self.put(key, changed, step_type=self.plan_of(key).type)
        return changed

    def finish(
        self,
        key: str,
        state: StepState,
        *,
        step_type: str,
        inputs: Payload | None = None,
        output: Payload | None = None,
        error: StepError | None = None,
        trace: Any = None,
    ) -> None:
        """Write the final row of a step and take it off its scope's count."""
        self.put(key, state, step_type=step_type, inputs=inputs, output=output, error=error, trace=trace)
        scope = scope_of(key)
        self.transition.open_steps[scope] = self.open_steps(scope) - 1

    def remove(self, key: str) -> None:
        """Delete the row of a step that waits for its dependencies again."""
        self.transition.steps.pop(key, None)
        self.rarities.removed.add(key)
        self.fact("step.reset", key)

    def open_steps(self, scope: str) -> int:
        found = self.transition.open_steps.get(scope)
        return self.state.open_steps[scope] if found is None else found

    def knows(self, scope: str) -> bool:
        """Whether the scope has begun, and is not put away."""
        return scope in self.transition.open_steps or scope in self.state.open_steps

    def set_open(self, scope: str, count: int) -> None:
        self.transition.open_steps[scope] = count

    def unmet(self, key: str, dependencies: int) -> int:
        found = None if self.transition.unmet is None else self.transition.unmet.get(key)
        return self.state.unmet.get(key, dependencies) if found is None else found

    def set_unmet(self, key: str, count: int) -> None:
        if self.transition.unmet is None:
            self.transition.unmet = {}
        self.transition.unmet[key] = count

    def add_ready(self, key: str) -> None:
        """Any worker may take the step once this is committed."""
        if self._ready is None:
            self._ready = self.transition.ready = []
        self._ready.append(key)

    def revive(self, scope: str) -> None:
        """Bring the steps of an ended iteration back, with those of the scopes that they are."""
        restored = self._by_scope()
        for each in [scope, *self._branches_inside(scope, restored.__contains__)]:
            self.rarities.revived.append(each)
            self.set_open(each, 0)
            self.rarities.restored.update(restored.get(each, {}))

    def settle(self, scope: str) -> None:
        """Put the steps of an iteration away that has ended, with those of the scopes that they are. Compensations that
        have failed stay in sight.

        Also when it was brought back by this very decision."""
        for each in [scope, *self._branches_inside(scope, self.knows)]:
            if self._has_failed_compensation(each):
                continue
            if each in self.rarities.revived:
                self.rarities.revived.remove(each)
            self.rarities.settled.append(each)

    def _branches_inside(self, scope: str, has_begun: Callable[[str], bool]) -> Iterator[str]:
        for name, step in scope_plan(self.plan, scope).steps.items():
            for branch in step.block.branches if isinstance(step.block, GroupPlan) else ():
                inner = branch_scope(child_key(scope, name), branch)
                if has_begun(inner):
                    yield inner
                    yield from self._branches_inside(inner, has_begun)

    @property
    def has_failed_compensations(self) -> bool:
        """Whether anything that the run has done is left without having been undone."""
        scopes = [*self.state.open_steps, *self.transition.open_steps]
        return any(self._has_failed_compensation(scope) for scope in scopes)

    def _has_failed_compensation(self, scope: str) -> bool:
        if split_scope(scope)[1] != COMPENSATE:
            return False
        steps = (self.step(child_key(scope, key)) for key in scope_plan(self.plan, scope).steps)
        return any(step is not None and step.status is StepStatus.FAILED for step in steps)

    def fact(self, kind_of_fact: str, step: str | None = None, *, when: Json = None, **data: Any) -> None:
        """Append to the history. ``when`` is how the step's conditions were decided, if it has any."""
        fact = {"type": kind_of_fact, **data} if step is None else {"type": kind_of_fact, "step": step, **data}
        if when:
            fact["when"] = when
        self.transition.facts.append(fact)

    def arm(self, due_at: datetime) -> None:
        """Have the engine wake up in time for a step that was parked until then."""
        earliest = self.transition.next_due
        self.transition.next_due = due_at if earliest is None else min(earliest, due_at)

    def suspend(self, suspension: Suspension | None) -> None:
        """Suspend the run, or (None) let it go on."""
        if self.transition.suspension != suspension:
            self.transition.suspension = suspension
            self.rarities.changes_suspension = True

    def end_run(self, status: RunStatus) -> None:
        self.transition.status = status
        self.suspend(None)
        self.transition.ended_at = self.now
        parent = self.facts.parent
        if parent is not None and parent.waits:
            self.rarities.tells_parent = True
        self.fact("run.completed", status=str(status))

    def _known(self) -> Payloads:
        return ChainMap(self.transition.payloads, self._given)  # type: ignore[arg-type]

    def _by_scope(self) -> dict[str, dict[str, StepState]]:
        if self._restored_in is None:
            self._restored_in = {}
            for key, state in (self._restored or {}).items():
                self._restored_in.setdefault(scope_of(key), {})[key] = state
        return self._restored_in


def who(by: str | None) -> dict[str, str]:
    """Who did it, as data of a fact; nothing where nobody said so."""
    return {} if by is None else {"by": by}
