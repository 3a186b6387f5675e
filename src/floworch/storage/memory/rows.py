"""What the in-memory store keeps of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from floworch.core.machine.state import RunFacts, StepState, StopRequest, Suspension
from floworch.core.machine.transition import Fact
from floworch.core.model.payload import Json, Payload
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus
from floworch.storage.memory.signals import SignalRows

__all__ = ["CommitRow", "RunRow", "StepRow"]

_MOST_PACKED = 1000
"""That many rows take half a millisecond."""
_WORDS = {status: status.value for status in StepStatus}
_PackedRow: TypeAlias = tuple[Any, ...]
"""Key, status as a plain text, the rest of the state, and the other fields of the row: nothing in which the garbage
collector would have to look for more, and so it does not look at the tuple either."""

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
    _steps: dict[str, StepRow] = field(default_factory=dict)
    _packed: tuple[_PackedRow, ...] | None = None

    @property
    def steps(self) -> dict[str, StepRow]:
        """By run-time key."""
        if self._packed is not None:
            self._steps = {key: _unpacked(*packed) for key, *packed in self._packed}
            self._packed = None
        return self._steps

    def pack(self) -> None:
        """Keep the rows of the steps as plain tuples until somebody looks at them, unless there are very many."""
        if self._packed is None and len(self._steps) <= _MOST_PACKED:
            self._packed = tuple([_packed(key, row) for key, row in self._steps.items()])
            self._steps = {}


def _packed(key: str, row: StepRow) -> _PackedRow:
    state = row.state
    return (
        *(key, _WORDS[state.status], state[1:], row.type, row.order),
        *(row.input_text, row.output_text, row.error, row.trace, row.lease_until),
    )


def _unpacked(word: str, state: tuple[Any, ...], *row: Any) -> StepRow:
    return StepRow(StepState(StepStatus(word), *state), *row)
