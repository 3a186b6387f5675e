"""A manifest made ready for the planner: looked up by key, expressions compiled, edges in both directions.

Plans are immutable and shared by all runs that are pinned to the same manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from floworch.core.expressions import Condition, Template
from floworch.core.model.status import StepStatus
from floworch.core.policy.retry import RetryPolicy

__all__ = ["FlowPlan", "LoopPlan", "ScopePlan", "StepPlan"]


@dataclass(frozen=True, slots=True, eq=False)
class StepPlan:
    """One step of a scope. ``key`` is the step's own key, without the path of the scopes around it."""

    key: str
    path: str
    """Static path without iteration indexes, e.g. ``months.charge``."""
    type: str
    run_after: Mapping[str, frozenset[StepStatus]]
    """Sibling key and the final statuses that satisfy the edge, in manifest order."""
    conditions: tuple[Condition, ...]
    """All ``when`` clauses that guard the step, in declaration order; all must hold."""
    dependents: tuple[str, ...]
    """Keys of the siblings that run after this step, in manifest order."""
    inputs: Template
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    lease_seconds: float | None = None
    loop: LoopPlan | None = None

    @property
    def waits_only_for_trouble(self) -> bool:
        """Whether some edge does not accept ``Succeeded``: an error handler, by the outcome rules."""
        return any(StepStatus.SUCCEEDED not in accepted for accepted in self.run_after.values())


@dataclass(frozen=True, slots=True, eq=False)
class ScopePlan:
    """The steps of a flow, or of the body of a loop, in manifest order."""

    steps: Mapping[str, StepPlan]
    entries: tuple[StepPlan, ...]
    leaves: tuple[StepPlan, ...]
    results: tuple[StepPlan, ...]
    """Leaves of what runs when nothing goes wrong: their outputs are the output of an iteration."""


@dataclass(frozen=True, slots=True, eq=False)
class LoopPlan:
    source: Template
    concurrency_limit: int
    body: ScopePlan


@dataclass(frozen=True, slots=True, eq=False)
class FlowPlan:
    flow_id: UUID
    flow_name: str
    version: str
    manifest_hash: str
    root: ScopePlan
    timeout_seconds: float | None = None
