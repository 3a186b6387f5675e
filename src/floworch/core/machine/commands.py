"""Everything that can happen to a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.state import RunFacts, StepState
from floworch.core.model.payload import Json, Payload
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StopKind
from floworch.core.policy.retry import RetryPolicy

__all__ = [
    "ChildEnded",
    "ChildStart",
    "ClaimOffer",
    "ClaimStep",
    "Command",
    "CompleteStep",
    "FailStep",
    "LeaseExpired",
    "MigrateRun",
    "OfRun",
    "OfStep",
    "Override",
    "ParentGone",
    "ResumeRun",
    "RetryFailed",
    "RetryStep",
    "RunStepNow",
    "SignalReceived",
    "SkipStep",
    "StartChild",
    "StepDeferred",
    "StepFailed",
    "StepReleased",
    "StepSkipped",
    "StepSucceeded",
    "StopRun",
    "SuspendRun",
    "TimerFired",
]


@dataclass(frozen=True, slots=True)
class ClaimOffer:
    """A worker's offer to start up to ``limit`` steps in the same commit that makes them ready.

    ``accepts`` says whether the worker may start a step of that type, of a run with these facts, without asking: it has
    a handler for it, and no limit has to be looked at. ``lease_seconds`` is for steps that do not set
    their own.
    """

    owner: str
    limit: int
    lease_seconds: float
    accepts: Callable[[str, RunFacts], bool]


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    step_key: str
    attempt: int
    output: Payload
    input: Payload | None = None


@dataclass(frozen=True, slots=True)
class StepFailed:
    """``retry_after`` is the delay that the retry policy decided on, None when it gives up."""

    step_key: str
    attempt: int
    error: StepError
    retry_after: timedelta | None = None
    input: Payload | None = None


@dataclass(frozen=True, slots=True)
class StepDeferred:
    """The handler wants to be called again ``after`` that time; no failure."""

    step_key: str
    attempt: int
    after: timedelta
    output: Payload | None = None
    input: Payload | None = None


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """The handler decided that there is nothing to do."""

    step_key: str
    attempt: int
    reason: str
    input: Payload | None = None


@dataclass(frozen=True, slots=True)
class ChildStart:
    """A run that starts in the same commit as a change of its parent. Its facts name the step."""

    facts: RunFacts
    plan: FlowPlan
    deadline: datetime | None
    body: Payload | None
    headers: Payload | None
    told: Mapping[str, Json] = field(default_factory=dict)
    """How the run came to be, for its history."""


@dataclass(frozen=True, slots=True)
class StartChild:
    """The step starts a run of another flow. ``on_failure`` is what becomes of the step when that run does not
    succeed: ``fail`` or ``continue``."""

    step_key: str
    attempt: int
    child: ChildStart
    on_failure: str
    input: Payload | None = None


@dataclass(frozen=True, slots=True)
class ChildEnded:
    """A run that the step has started is final. Never refused: where nobody waits for it, it is only noted as heard of.

    ``default_retry`` is for steps without a policy of their own, ``chance`` (from 0 to 1) for its jitter.
    """

    step_key: str
    attempt: int
    child_id: UUID
    status: RunStatus
    output: Payload | None = None
    error: str | None = None
    default_retry: RetryPolicy | None = None
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class ParentGone:
    """To a run that has ended: the one that waited for it was deleted, so there is nobody to be told."""


@dataclass(frozen=True, slots=True)
class StepReleased:
    """A worker that stops hands the step back; another may claim it at once."""

    step_key: str
    attempt: int


@dataclass(frozen=True, slots=True)
class LeaseExpired:
    """No heartbeat came for the attempt. ``max_lost`` is the number of lost attempts that fails the step."""

    step_key: str
    attempt: int
    max_lost: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The ``due_at`` of a pending step has come."""

    step_key: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ClaimStep:
    """A worker starts a ready step in the same commit as other changes of the run. Needs a :class:`ClaimOffer`.

    By itself a claim goes straight to the store, which does not have to know the run for it.
    """

    step_key: str
    attempt: int


@dataclass(frozen=True, slots=True)
class StopRun:
    """Cancel, or the deadline has passed. ``by`` says, here and in other commands of people, who did it."""

    kind: StopKind
    reason: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class SuspendRun:
    """Start no more steps; what runs may end."""

    reason: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ResumeRun:
    """Go on with a suspended run."""

    by: str | None = None


@dataclass(frozen=True, slots=True)
class RetryStep:
    """Run a failed step again, and re-plan what was skipped because of it.

    ``deadline`` replaces the run's deadline. For a step inside ended loop iterations, ``restored`` holds the
    states of all steps of those iterations, and ``restored_at`` the revision of the run that they belong to; where the
    run was stopped, also those of the other iterations of the outermost loop.
    """

    step_key: str
    deadline: datetime | None = None
    restored: Mapping[str, StepState] = field(default_factory=dict)
    restored_at: int | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class RetryFailed:
    """Run every failed step again that can be. The fields are those of :class:`RetryStep`; ``restored`` holds the steps
    of all ended iterations in which one has failed."""

    deadline: datetime | None = None
    restored: Mapping[str, StepState] = field(default_factory=dict)
    restored_at: int | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class MigrateRun:
    """Let a run that is under way go on by another version of its flow."""

    plan: FlowPlan
    by: str | None = None


@dataclass(frozen=True, slots=True)
class CompleteStep:
    """Somebody decides that a step has succeeded, whatever is at work on it."""

    step_key: str
    output: Payload
    reason: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class FailStep:
    """Somebody decides that a step has failed for good."""

    step_key: str
    reason: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class SkipStep:
    """Somebody decides that a step need not be done."""

    step_key: str
    reason: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class RunStepNow:
    """A step that is parked until a time goes on at once."""

    step_key: str
    by: str | None = None


Override: TypeAlias = CompleteStep | FailStep | SkipStep | RunStepNow
"""What people decide about a step that is under way."""


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """Somebody has sent the run a signal. ``id`` is new, also where the sender has a ``deduplication_id`` for it."""

    id: UUID
    name: str
    payload: Payload
    deduplication_id: str | None = None


OfStep: TypeAlias = (
    StepSucceeded
    | StepFailed
    | StepDeferred
    | StepSkipped
    | StepReleased
    | LeaseExpired
    | TimerFired
    | ClaimStep
    | StartChild
)
"""What happens to a step, and only makes sense while the run goes on."""

OfRun: TypeAlias = StopRun | SuspendRun | ResumeRun | ChildEnded | ParentGone | SignalReceived | Override
"""What happens to a run in whatever state it is."""

Command: TypeAlias = OfStep | OfRun | RetryStep | RetryFailed | MigrateRun
