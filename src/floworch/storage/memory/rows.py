"""What the in-memory store keeps of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from floworch.core.machine.state import RunFacts, StepState, StopRequest, Suspension
from floworch.core.machine.transition import Fact
from floworch.core.model.payload import Json, Payload
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus
from floworch.storage.memory.signals import SignalRows

__all__ = ["CommitRow", "RunRow", "StepRow"]

CommitRow: TypeAlias = tuple[int, datetime, int]
"""Sequence, time, and where its facts end in the history of the run.

A plain tuple and not an object that holds them: for the garbage collector neither is worth a look, which is a good part
of what a store with many runs costs.
"""


@dataclass(slots=True)
class StepRow:
    state: StepState
    type: str
    order: int
    """Position among the rows of the run, by when they were first written."""
    input_text: str | None = None
    output_text: str | None = None
    error: StepError | None = None
    trace: Json = None
    lease_until: datetime | None = None

    @property
    def input(self) -> Payload | None:
        return None if self.input_text is None else Payload(self.input_text)

    @property
    def output(self) -> Payload | None:
        return None if self.output_text is None else Payload(self.output_text)


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
    settled: set[str] = field(default_factory=set)
    """Scopes whose rows the planner loads no more. No mark of each row: all those of a long loop would have to be
    looked at for every iteration that ends."""
    items: dict[str, Payload] = field(default_factory=dict)
    tells_parent: bool = False
    signals: SignalRows | None = None
    suspension: Suspension | None = None
    history: list[Fact] = field(default_factory=list)
    commits: list[CommitRow] = field(default_factory=list)
    written: int = 0
    """Number of step rows ever inserted."""
