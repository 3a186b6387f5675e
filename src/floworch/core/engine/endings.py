"""The end of a run, for those who wait for it in the process that has brought it about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from floworch.core.engine.records import step_record
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import StepChange, Transition
from floworch.core.model.ids import RunKey
from floworch.core.model.records import RunRecord, StepRecord

__all__ = ["EndedRun", "Endings"]

_MOST_RUNS = 1000
_MOST_CHARACTERS = 16 * 1024
_NEVER = datetime.max.replace(tzinfo=UTC)


class EndedRun(NamedTuple):
    """``steps`` is None when they have to be read from the store."""

    record: RunRecord
    steps: Mapping[str, StepRecord] | None = None


class Endings:
    """Keeps the rows of short runs without rarities or blocks from their first commit on, so that their results need no
    reading.

    Everything else is forgotten: what is large, and what others have changed meanwhile.
    """

    def __init__(self) -> None:
        self._rows: OrderedDict[RunKey, _Rows] = OrderedDict()

    def note(self, state: RunState, transition: Transition) -> None:
        """Call it after every commit, in order, with the state that the commit has led to."""
        run = state.facts.run_id.int
        rows = self._rows.get(run)
        if rows is None:
            if state.revision > 1:
                return
            rows = self._rows[run] = _Rows()
            if len(self._rows) > _MOST_RUNS:
                self._rows.popitem(last=False)
        rows.add(transition)
        if transition.rarities is not None or rows.has_progress or rows.characters > _MOST_CHARACTERS:
            del self._rows[run]

    def take(self, state: RunState) -> Mapping[str, StepRecord] | None:
        """The steps of a run that has ended; None when they are not known."""
        rows = self._rows.pop(state.facts.run_id.int, None)
        if rows is None or rows.changes.keys() != state.steps.keys():
            return None
        # What others have written since came with a state that was loaded, of other objects than these.
        if any(rows.changes[key].state is not step for key, step in state.steps.items()):
            return None
        return _Steps(rows.changes)


class _Rows:
    __slots__ = ("changes", "characters", "has_progress")

    def __init__(self) -> None:
        self.changes: dict[str, StepChange] = {}
        self.characters = 0
        self.has_progress = False
        """Whether a step is a block: the output of that is put together from many rows."""

    def add(self, transition: Transition) -> None:
        for key, change in transition.steps.items():
            self.changes[key] = change
            if change.state.progress is not None:
                self.has_progress = True
            if change.input is not None:
                self.characters += len(change.input.text)
            if change.output is not None:
                self.characters += len(change.output.text)


class _Steps(Mapping[str, StepRecord]):
    """Made when they are looked at: many who wait only want to know whether the run has succeeded."""

    def __init__(self, rows: Mapping[str, StepChange]) -> None:
        self._rows = rows
        self._made: dict[str, StepRecord] = {}

    def __getitem__(self, key: str) -> StepRecord:
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = step_record(key, self._rows[key])
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._rows, key=self._came_up))

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _came_up(self, key: str) -> datetime:
        step = self._rows[key].state
        return step.ready_at or step.ended_at or _NEVER
