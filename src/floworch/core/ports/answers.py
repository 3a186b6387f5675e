"""What a store tells the engine: runs as the planner loads them, and what is ready or due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple, TypeAlias
from uuid import UUID

from floworch.core.machine.mailbox import Letter
from floworch.core.machine.state import RunFacts, StepState, StopRequest, Suspension
from floworch.core.model.records import RunRecord
from floworch.core.model.status import RunStatus

__all__ = [
    "AttemptKey",
    "Capabilities",
    "Deletion",
    "DueWork",
    "LeaseKey",
    "LeaseState",
    "LostLease",
    "ReadyStep",
    "RunFilter",
    "RunPage",
    "StoredRun",
    "TimerKey",
]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do beyond the contract; code asks these, never for the adapter's type."""

    shared_between_processes: bool
    survives_restart: bool
    transactions: bool = False
    """Whether :meth:`Storage.begin` and :meth:`Storage.enlist` work."""
    concurrent_commits: int = 1
    """How many commits the store works on at once to advantage."""


@dataclass(slots=True)
class StoredRun:
    """A run as the planner loads it. ``steps`` leaves out the settled rows (ended iterations); ``signals`` are all that
    it ever had."""

    facts: RunFacts
    revision: int
    status: RunStatus
    deadline: datetime | None
    stop: StopRequest | None
    ended_at: datetime | None
    steps: dict[str, StepState]
    signals: Sequence[Letter] = ()
    suspension: Suspension | None = None


class AttemptKey(NamedTuple):
    """One attempt of one step. A tuple, because every step that runs is made into keys and hashed several times."""

    run_id: UUID
    step_key: str
    attempt: int


LeaseKey: TypeAlias = AttemptKey
"""A running attempt, by which its lease is renewed."""


class LeaseState(Enum):
    HELD = "held"
    STOP_REQUESTED = "stop_requested"
    """Still held and renewed, but the run is being cancelled or has timed out."""
    LOST = "lost"


TimerKey: TypeAlias = AttemptKey
"""A pending step whose time has come."""


@dataclass(frozen=True, slots=True)
class LostLease:
    """A running attempt whose lease ran out."""

    run_id: UUID
    step_key: str
    attempt: int
    owner: str


@dataclass(frozen=True, slots=True)
class ReadyStep:
    run_id: UUID
    step_key: str
    attempt: int
    type: str
    flow_id: UUID
    priority: int = 0
    concurrency_key: str | None = None
    manifest_hash: str = field(default="", compare=False)
    """The version that the run goes by, where the store has told of the step."""


@dataclass(slots=True)
class DueWork:
    """What time has brought. ``next_at`` is the earliest instant after ``now`` at which there is more, if known."""

    timers: list[TimerKey] = field(default_factory=list)
    lost: list[LostLease] = field(default_factory=list)
    deadlines: list[UUID] = field(default_factory=list)
    children: list[UUID] = field(default_factory=list)
    """Runs that have ended, and whose parents have not heard of it."""
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """All given conditions must hold."""

    flow_id: UUID | None = None
    statuses: frozenset[RunStatus] | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    source_run_id: UUID | None = None
    parent_run_id: UUID | None = None
    trigger_key: str | None = None
    suspended: bool | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The run has all of these."""
    error: str | None = None
    """Text in the type or message of the error of one of its failed steps, in capitals or not. No index helps."""
    ended_from: datetime | None = None
    ended_before: datetime | None = None
    """Of runs that have ended. No index helps to find the first of them: ask for a status or a start as well."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """Newest first by ``(started_at, id)``. ``next_cursor`` is None on the last page; opaque to callers."""

    runs: list[RunRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """How much is gone. ``keys`` are those of runs that were gone before."""

    runs: int
    keys: int
