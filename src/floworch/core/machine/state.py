"""What the planner knows of one run. No payloads: those are referenced, and loaded when a decision needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.mailbox import Mailbox
from floworch.core.machine.progress import GroupProgress, LoopProgress, Progress, UntilProgress
from floworch.core.model.status import RunStatus, StepStatus, StopKind

__all__ = ["ParentStep", "RunFacts", "RunState", "SkipKind", "StepState", "StopRequest", "Suspension", "WaitKind"]

_RUNNING = StepStatus.RUNNING


class WaitKind(StrEnum):
    """What a ``Pending`` step waits for."""

    RETRY = "retry"
    DEFERRED = "deferred"
    ITERATION = "iteration"
    SIGNAL = "signal"
    CHILD = "child"
    SUSPENDED = "suspended"
    """For the run to be resumed: otherwise it would be ready."""


class SkipKind(StrEnum):
    """Why a step was skipped. Stored, so that a retry resets exactly the right steps."""

    PREREQUISITES_UNMET = "prerequisites_unmet"
    WHEN_FALSE = "when_false"
    RUN_STOPPED = "run_stopped"
    HANDLER = "handler"
    OPERATOR = "operator"


class StepState(NamedTuple):
    """One step of one run. A step that waits for its dependencies has no state at all.

    ``attempt`` counts the starts and is the fencing token: it goes up when the step is claimed.
    ``failures`` and ``lost`` count since the step was last made ready by its dependencies or by hand.

    A named tuple, because every transition makes two of them, and a frozen dataclass takes four times as long.
    """

    status: StepStatus
    attempt: int = 0
    failures: int = 0
    lost: int = 0
    due_at: datetime | None = None
    wait: WaitKind | None = None
    waiting_since: datetime | None = None
    skip: SkipKind | None = None
    reason: str | None = None
    owner: str | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: Progress | None = None

    @property
    def is_final(self) -> bool:
        return self.status.is_final

    @property
    def is_block(self) -> bool:
        """Whether the step is made of steps: it runs without a worker."""
        return self.progress is not None and isinstance(self.progress, LoopProgress | UntilProgress | GroupProgress)

    @property
    def loop(self) -> LoopProgress | None:
        """The progress of a loop over items."""
        return self.progress if isinstance(self.progress, LoopProgress) else None

    def claimed(self, owner: str, at: datetime) -> StepState:
        """The next attempt, by that worker. A step that was not ready before is so at the same time."""
        # By position, here and below: every step goes through both, and anything else takes twice as long.
        _, attempt, failures, lost, _, _, since, skip, reason, _, ready_at, _, ended_at, progress = self
        return StepState(
            _RUNNING,
            attempt + 1,
            failures,
            lost,
            None,
            None,
            since,
            skip,
            reason,
            owner,
            ready_at or at,
            at,
            ended_at,
            progress,
        )

    def ended(self, status: StepStatus, at: datetime, reason: str | None = None) -> StepState:
        """The attempt is over, and the step final."""
        _, attempt, failures, lost, _, _, since, skip, _, owner, ready_at, started_at, _, progress = self
        return StepState(
            status,
            attempt,
            failures,
            lost,
            None,
            None,
            since,
            skip,
            reason,
            owner,
            ready_at,
            started_at,
            at,
            progress,
        )


@dataclass(frozen=True, slots=True)
class StopRequest:
    """The run must end early; ``reason`` is for people."""

    kind: StopKind
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Suspension:
    """No step of the run is started until somebody resumes it; ``reason`` is for people."""

    reason: str | None
    by: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ParentStep:
    """The attempt of a ``RunFlow`` step that has started a run."""

    run_id: UUID
    step_key: str
    attempt: int
    waits: bool
    """Whether the step waits for the run, and so has to be told of its end."""
    depth: int
    """How many runs are above the child, one in another."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What never changes about a run, but for its version, when it is migrated."""

    run_id: UUID
    flow_id: UUID
    manifest_hash: str
    trigger_key: str
    started_at: datetime
    source_run_id: UUID | None = None
    idempotency_key: str | None = None
    priority: int = 0
    """Ready steps of runs with a higher priority are taken first."""
    parent: ParentStep | None = None
    """None for a run that no other run has started."""
    scheduled_at: datetime | None = None
    """The tick that has started the run."""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the run can be found by."""
    concurrency_key: str | None = None
    """What its flow's limit per key counts the run by."""


@dataclass(slots=True)
class RunState:
    """State of one run. ``reduce`` reads it; only ``apply`` and ``claim_step`` change it.

    ``steps`` maps run-time keys to states; the steps of loop iterations that have ended are left out.
    """

    facts: RunFacts
    plan: FlowPlan
    revision: int = 0
    status: RunStatus = RunStatus.RUNNING
    deadline: datetime | None = None
    stop: StopRequest | None = None
    ended_at: datetime | None = None
    suspension: Suspension | None = None
    """Never of a run that has ended or is being stopped."""
    steps: dict[str, StepState] = field(default_factory=dict)
    open_steps: dict[str, int] = field(default_factory=dict)
    """Derived: live scope → number of its steps that are not final yet."""
    unmet: dict[str, int] = field(default_factory=dict)
    """Derived: step that waits and has a final dependency → number of its dependencies that are not final yet."""
    mailbox: Mailbox | None = None
    """None for a run that has received no signal."""

    def step(self, key: str) -> StepState | None:
        return self.steps.get(key)
