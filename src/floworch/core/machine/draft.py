"""The working area of one decision: a run's state with the changes made so far laid over it."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from floworch.core.dag.keys import scope_of
from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import FlowPlan, StepPlan
from floworch.core.machine.commands import ClaimOffer
from floworch.core.machine.environment import Payloads, RunEnvironment
from floworch.core.machine.state import RunFacts, RunState, StepState
from floworch.core.machine.transition import StepChange, Transition
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus

__all__ = ["Draft"]


class Draft:
    """Reads fall through to ``state``; writes collect in ``transition``. ``state`` itself is never changed."""

    def __init__(
        self,
        state: RunState,
        now: datetime,
        payloads: Payloads,
        offer: ClaimOffer | None,
        restored: Mapping[str, StepState] | None = None,
    ) -> None:
        self.state = state
        self.now = now
        self.payloads = payloads
        self.offer = offer
        self.transition = Transition(
            status=state.status, deadline=state.deadline, stop=state.stop, ended_at=state.ended_at
        )
        self._restored = restored or {}

    @property
    def facts(self) -> RunFacts:
        return self.state.facts

    @property
    def plan(self) -> FlowPlan:
        return self.state.plan

    @property
    def is_stopping(self) -> bool:
        return self.transition.stop is not None

    def step(self, key: str) -> StepState | None:
        change = self.transition.steps.get(key)
        if change is not None:
            return change.state
        if key in self.transition.removed:
            return None
        return self.state.steps.get(key) or self._restored.get(key)

    def plan_of(self, key: str) -> StepPlan:
        found = find_step(self.plan, key)
        if found is None:
            raise KeyError(key)
        return found

    def add_payload(self, ref: PayloadRef, payload: Payload) -> None:
        """Make a payload that this transition writes readable for the decisions that follow from it."""
        written = self.transition.payloads
        if not written:
            self.payloads = ChainMap(written, self.payloads)  # type: ignore[arg-type]
        written[ref] = payload

    def environment(self, key: str) -> RunEnvironment:
        return RunEnvironment(self, key, self.payloads, self.now)

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
        earlier = self.transition.steps.get(key)
        self.transition.steps[key] = StepChange(
            state=state,
            before=earlier.before if earlier is not None else self._stored(key),
            type=step_type,
            lease_seconds=lease_seconds,
            input=inputs,
            output=output,
            error=error,
            trace=trace,
        )
        self.transition.removed.discard(key)

    def update_loop(self, key: str, **changes: Any) -> StepState:
        """Change the progress of a running loop."""
        state = self.step(key)
        assert state is not None
        assert state.loop is not None
        changed = replace(state, loop=replace(state.loop, **changes))
        self.put(key, changed, step_type=self.plan_of(key).type)
        return changed

    def finish(self, key: str, state: StepState, **payloads: Any) -> None:
        """Write the final row of a step and take it off its scope's count."""
        self.put(key, state, **payloads)
        scope = scope_of(key)
        self.set_open(scope, self.open_steps(scope) - 1)

    def remove(self, key: str) -> None:
        """Delete the row of a step that waits for its dependencies again."""
        self.transition.steps.pop(key, None)
        self.transition.removed.add(key)
        self.fact("step.reset", key)

    def open_steps(self, scope: str) -> int:
        found = self.transition.open_steps.get(scope)
        return self.state.open_steps[scope] if found is None else found

    def set_open(self, scope: str, count: int) -> None:
        self.transition.open_steps[scope] = count

    def unmet(self, key: str, dependencies: int) -> int:
        found = self.transition.unmet.get(key)
        return self.state.unmet.get(key, dependencies) if found is None else found

    def set_unmet(self, key: str, count: int) -> None:
        self.transition.unmet[key] = count

    def revive(self, scope: str) -> None:
        """Bring the steps of an ended iteration back."""
        self.transition.revived.append(scope)
        self.set_open(scope, 0)
        back = {key: state for key, state in self._restored.items() if scope_of(key) == scope}
        self.transition.restored.update(back)

    def settle(self, scope: str) -> None:
        """Put the steps of an iteration away that has ended, also when it was brought back by this very decision."""
        if scope in self.transition.revived:
            self.transition.revived.remove(scope)
        self.transition.settled.append(scope)

    def fact(self, kind_of_fact: str, step: str | None = None, **data: Any) -> None:
        """Append to the history."""
        entry: dict[str, Any] = {"type": kind_of_fact}
        if step is not None:
            entry["step"] = step
        entry.update(data)
        self.transition.facts.append(entry)

    def end_run(self, status: RunStatus) -> None:
        self.transition.status = status
        self.transition.ended_at = self.now
        self.fact("run.completed", status=str(status))

    def _stored(self, key: str) -> tuple[StepStatus, int] | None:
        stored = self.state.steps.get(key) or self._restored.get(key)
        return None if stored is None else (stored.status, stored.attempt)
