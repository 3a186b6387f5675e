"""A manifest made ready for the planner: looked up by key, expressions compiled, edges in both directions.

Plans are immutable and shared by all runs that are pinned to the same manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from floworch.core.dag.keys import STEPS
from floworch.core.dag.waits import WaitPlan
from floworch.core.dag.waits.poll import PollPlan
from floworch.core.expressions import Condition, Template
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.model.steps import OnItemFailure
from floworch.core.policy.retry import RetryPolicy

__all__ = ["BlockPlan", "FlowPlan", "GroupPlan", "LoopPlan", "ScopePlan", "StepPlan", "UntilPlan"]


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
    default_retry: RetryPolicy | None = None
    """The flow's, for where neither the step nor its handler has one; so is :attr:`default_timeout_seconds`."""
    default_timeout_seconds: float | None = None
    lease_seconds: float | None = None
    block: BlockPlan | None = None
    wait: WaitPlan | None = None
    """What the step waits for, if no worker carries it out."""
    poll: PollPlan | None = None
    """How the results of its handler are judged, if that polls."""

    @property
    def loop(self) -> LoopPlan | None:
        """The block, if it is a loop over items."""
        return self.block if isinstance(self.block, LoopPlan) else None


@dataclass(frozen=True, slots=True, eq=False)
class ScopePlan:
    """The steps of a flow, or of a branch of a block, in manifest order."""

    steps: Mapping[str, StepPlan]
    entries: tuple[StepPlan, ...]
    leaves: tuple[StepPlan, ...]
    results: tuple[StepPlan, ...]
    """Leaves of what runs when nothing goes wrong: their outputs are the output of an iteration or a scope."""


@dataclass(frozen=True, slots=True, eq=False)
class LoopPlan:
    """A loop over the items of a list."""

    source: Template
    concurrency_limit: int
    body: ScopePlan
    on_item_failure: OnItemFailure = "fail"

    @property
    def scopes(self) -> tuple[ScopePlan, ...]:
        return (self.body,)

    def branch(self, name: str) -> ScopePlan:
        """The steps of any iteration."""
        return self.body


@dataclass(frozen=True, slots=True, eq=False)
class UntilPlan:
    """A loop that goes on until a condition holds."""

    condition: Condition
    max_iterations: int
    delay_seconds: float
    body: ScopePlan

    @property
    def scopes(self) -> tuple[ScopePlan, ...]:
        return (self.body,)

    def branch(self, name: str) -> ScopePlan:
        """The steps of any iteration."""
        return self.body


@dataclass(frozen=True, slots=True, eq=False)
class GroupPlan:
    """A scope: steps, what undoes them, and what follows from how they end."""

    branches: Mapping[str, ScopePlan]
    """``steps``, and those of ``compensate``, ``catch`` and ``finally`` that the scope has. Steps of ``compensate``
    have the keys of the steps that they undo, and no dependencies: the planner runs them one by one."""
    order: tuple[str, ...]
    """Keys of ``steps``, each after those that it runs after."""

    @property
    def body(self) -> ScopePlan:
        return self.branches[STEPS]

    @property
    def scopes(self) -> tuple[ScopePlan, ...]:
        return tuple(self.branches.values())

    def branch(self, name: str) -> ScopePlan:
        """Raises ``KeyError`` for a branch that the scope does not have."""
        return self.branches[name]


BlockPlan: TypeAlias = LoopPlan | UntilPlan | GroupPlan


@dataclass(frozen=True, slots=True, eq=False)
class FlowPlan:
    flow_id: UUID
    flow_name: str
    version: str
    manifest_hash: str
    root: ScopePlan
    timeout_seconds: float | None = None
    signal_waits: tuple[StepPlan, ...] = ()
    """Every step that waits for signals, wherever it is."""
    tags: Mapping[str, Template] = field(default_factory=dict)
    """Tag of its runs → value, over what starts them."""
    told_ends: frozenset[RunStatus] = frozenset()
    """Ends of its runs that this process tells somebody of."""
    concurrency_key: Template | None = None
    """Key by which its runs are limited, over what starts them."""
