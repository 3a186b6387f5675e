"""What the committer is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.engine.reply import Reply
from floworch.core.machine.commands import ClaimOffer, Command
from floworch.core.machine.forks import Inheritance
from floworch.core.machine.state import RunFacts
from floworch.core.machine.transition import Transition
from floworch.core.model.limits import Quota
from floworch.core.model.payload import Json, Payload, PayloadRef
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import ReadyStep

__all__ = ["Claiming", "Commanding", "Request", "Started", "Starting", "started_by"]


@dataclass(frozen=True, slots=True)
class Started:
    """Answer to a trigger. A duplicate names the run that has the idempotency key, and started nothing."""

    run_id: UUID
    duplicate: bool
    transition: Transition | None


@dataclass(slots=True, eq=False)
class Starting:
    """Start a run."""

    facts: RunFacts
    plan: FlowPlan
    deadline: datetime | None
    body: Payload | None
    headers: Payload | None
    offer: ClaimOffer | None
    reply: Reply[Started]
    told: Mapping[str, Json] = field(default_factory=dict)
    """How the run came to be, for its history."""
    inherited: Inheritance | None = None
    """What a forked run takes over from its source."""
    payloads: dict[PayloadRef, Payload | None] = field(default_factory=dict)
    alone: bool = False
    patient_until: datetime | None = None
    """Set once it is unclear whether the run was started: then there is no answer before that is known."""
    is_unclear: bool = False
    tried: Transition | None = None
    tried_at: datetime | None = None

    @property
    def run_id(self) -> UUID:
        return self.facts.run_id


@dataclass(slots=True, eq=False)
class Commanding:
    """Tell a run what has happened. ``patience`` is how long to try when the store cannot be reached."""

    run_id: UUID
    command: Command
    offer: ClaimOffer | None
    reply: Reply[Transition]
    patience: timedelta | None = None
    patient_until: datetime | None = None
    """Set when the store is found away for the first time."""
    payloads: dict[PayloadRef, Payload | None] = field(default_factory=dict)
    alone: bool = False
    """A batch with this request failed: commit it by itself, so that it can only fail itself."""
    is_unclear: bool = False
    """The connection broke during the commit with this request, which may have happened."""
    tried: Transition | None = None
    """What was decided for that commit."""
    tried_at: datetime | None = None
    """When that was."""


@dataclass(slots=True, eq=False)
class Claiming:
    """Take a ready step; the answer is whether it was won."""

    task: ReadyStep
    offer: ClaimOffer
    lease_seconds: float
    reply: Reply[bool]
    quotas: Sequence[Quota] = ()
    alone: bool = False
    patient_until: datetime | None = None
    is_unclear: bool = False
    was_refused: bool = False
    """Nothing was left of a limit."""

    @property
    def run_id(self) -> UUID:
        return self.task.run_id


Request: TypeAlias = Starting | Commanding | Claiming


def started_by(run_id: UUID, transition: Transition | None) -> StartedStep | None:
    """The step that the transition has started, if it has."""
    if transition is None or not transition.claimed:
        return None
    key = transition.claimed[0]
    return StartedStep(run_id, key, transition.steps[key].state.attempt)
