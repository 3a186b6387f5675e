"""The difference between two states of a run: what ``reduce`` returns, the store commits, and the cache applies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.commands import ChildStart
from floworch.core.machine.mailbox import ReceivedSignal, TakenBy
from floworch.core.machine.state import StepState, StopRequest, Suspension
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus

__all__ = ["Fact", "Rarities", "StepChange", "Transition"]


Fact = dict[str, Any]
"""One entry of a run's history: ``type`` and, where it is about a step, ``step``; JSON values only."""


@dataclass(slots=True)
class StepChange:
    """The whole new row of one step. ``before`` is the state that the decision was made on, whose status and attempt
    the store must still find; None for a row that does not exist yet."""

    state: StepState
    before: StepState | None
    type: str
    lease_seconds: float | None = None
    """Set where the step starts: the store counts the lease from its own clock."""
    input: Payload | None = None
    output: Payload | None = None
    error: StepError | None = None
    trace: Any = None


@dataclass(slots=True)
class Rarities:
    """What only loops, signals, children, stops and what people do by hand bring about."""

    loop_items: dict[str, Payload] = field(default_factory=dict)
    """Snapshots of loop sources, by loop key; written once, when the loop starts."""
    interrupted: list[str] = field(default_factory=list)
    """Running steps whose handlers should stop."""
    removed: set[str] = field(default_factory=set)
    """Rows to delete: steps that wait for their dependencies again after a retry."""
    settled: list[str] = field(default_factory=list)
    """Scopes of iterations that have ended: the planner loads the rows of their steps no more."""
    revived: list[str] = field(default_factory=list)
    """Scopes of ended iterations that a retry opens again: the reverse of ``settled``."""
    restored: dict[str, StepState] = field(default_factory=dict)
    """States of the steps of revived scopes, as the store has them."""
    children: list[ChildStart] = field(default_factory=list)
    """Runs to start in the same commit."""
    children_to_stop: list[UUID] = field(default_factory=list)
    """Runs that steps wait for which are not needed any more."""
    tells_parent: bool = False
    """The run has ended, and a step of another run waits for that."""
    heard_of: list[UUID] = field(default_factory=list)
    """Ended children that need not be told of again."""
    plan: FlowPlan | None = None
    """The version that the run goes by from now on."""
    signals: list[ReceivedSignal] = field(default_factory=list)
    taken: dict[UUID, TakenBy] = field(default_factory=dict)
    """Signals, also new ones, that have completed steps."""
    changes_suspension: bool = False
    """The run is suspended by this very transition, or is so no longer."""


@dataclass(slots=True)
class Transition:
    """Changes of one run that commit together.

    ``steps`` maps run-time keys to whole new rows. ``claimed`` are the steps among them that the offering
    worker has started and must now run; ``ready`` are the ones that any worker may take.
    """

    status: RunStatus
    deadline: datetime | None
    stop: StopRequest | None
    ended_at: datetime | None
    suspension: Suspension | None
    steps: dict[str, StepChange]
    payloads: dict[PayloadRef, Payload | None]
    """What this transition writes that expressions can refer to."""
    facts: list[Fact]
    open_steps: dict[str, int]
    """New values of the derived counter of :class:`~floworch.core.machine.state.RunState`."""
    unmet: dict[str, int] | None = None
    """The same; None where no counter changes."""
    claimed: tuple[str, ...] = ()
    ready: Sequence[str] = ()
    next_due: datetime | None = None
    """Earliest ``due_at`` among the steps that this transition parked."""
    rarities: Rarities | None = None
    """None in nearly all transitions, which so have fewer containers to make and to collect."""

    @property
    def ended(self) -> bool:
        return self.status.is_final

    @property
    def interrupted(self) -> list[str]:
        """Running steps whose handlers should stop."""
        return [] if self.rarities is None else self.rarities.interrupted
