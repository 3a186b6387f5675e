"""What the in-memory store keeps of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from floworch.core.machine.state import RunFacts, StepState, StopRequest
from floworch.core.machine.transition import Fact
from floworch.core.model.payload import Json, Payload
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus

__all__ = ["EventRow", "RunRow", "StepRow"]


@dataclass(slots=True)
class StepRow:
    state: StepState
    type: str
    order: int
    """Position among the rows of the run, by when they were first written."""
    input: Payload | None = None
    output: Payload | None = None
    error: StepError | None = None
    trace: Json = None
    lease_until: datetime | None = None
    settled: bool = False


@dataclass(slots=True)
class EventRow:
    sequence: int
    at: datetime
    facts: tuple[Fact, ...]


@dataclass(slots=True)
class RunRow:
    facts: RunFacts
    flow_name: str
    flow_version: str
    revision: int
    status: RunStatus
    deadline: datetime | None
    stop: StopRequest | None
    ended_at: datetime | None
    body: Payload | None
    headers: Payload | None
    steps: dict[str, StepRow] = field(default_factory=dict)
    items: dict[str, Payload] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    written: int = 0
    """Number of step rows ever inserted."""
