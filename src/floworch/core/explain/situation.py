"""What an explanation is made from: a run, and what is known of the world around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import FlowPlan, StepPlan
from floworch.core.explain.limits import UsedUp
from floworch.core.explain.reasons import Explanation
from floworch.core.machine.environment import Payloads
from floworch.core.machine.state import RunState, StepState
from floworch.core.model.records import StepRecord

__all__ = ["Situation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """``accepts`` tells whether this process has a handler for a step type. What is not there is not told."""

    state: RunState
    now: datetime
    accepts: Callable[[str], bool]
    is_flow_known: bool = True
    """Whether this process would run steps of the flow."""
    is_anybody_at_work: bool = True
    """Whether some process runs some step."""
    patience: timedelta = timedelta(seconds=60)
    """A step that is ready for longer should have been taken."""
    lease_seconds: float = 30.0
    """How long leases are, for steps that do not set that themselves."""
    put_away: Mapping[str, StepState] = field(default_factory=dict)
    """Steps of ended iterations that are of interest."""
    records: Mapping[str, StepRecord] = field(default_factory=dict)
    """Rows of steps that are of interest, read at about the same time."""
    children: Mapping[str, Explanation] = field(default_factory=dict)
    """Run id → why that run is where it is, for runs that steps wait for."""
    limits: Mapping[str, Sequence[UsedUp]] = field(default_factory=dict)
    """Ready step → limits that do not let it start."""
    payloads: Payloads = field(default_factory=dict)

    @property
    def plan(self) -> FlowPlan:
        return self.state.plan

    def step(self, key: str) -> StepState | None:
        """The state of the step; None for one that has no row, or whose row was not loaded."""
        found = self.state.steps.get(key)
        return self.put_away.get(key) if found is None else found

    def plan_of(self, key: str) -> StepPlan:
        """Raises KeyError for a step that the manifest does not have."""
        found = find_step(self.plan, key)
        if found is None:
            raise KeyError(key)
        return found

    def record_of(self, key: str) -> StepRecord | None:
        """The row of the step, if it is about the same attempt as its state."""
        record, state = self.records.get(key), self.step(key)
        is_same = record is not None and state is not None and record.attempt == state.attempt
        return record if is_same and state is not None and record and record.status is state.status else None
