"""The signals of one run, and what must hold of them: an acknowledged one is taken once, or still in the mailbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from floworch.core.machine.mailbox import ReceivedSignal, TakenBy
from floworch.core.machine.progress import SignalWait
from floworch.core.machine.state import StepState, WaitKind
from floworch.core.model.status import StepStatus

__all__ = ["Post"]


@dataclass(slots=True)
class Post:
    names: dict[UUID, str] = field(default_factory=dict)
    """Every signal that was received."""
    taken: dict[UUID, TakenBy] = field(default_factory=dict)
    deduplication_ids: set[str] = field(default_factory=set)

    def write(
        self, signals: Iterable[ReceivedSignal], taken: Mapping[UUID, TakenBy], rows: Mapping[str, StepState]
    ) -> None:
        """Take over one commit; ``rows`` are those of the run after it."""
        for signal in signals:
            letter = signal.letter
            assert letter.id not in self.names, f"{letter} was received twice"
            assert letter.deduplication_id not in self.deduplication_ids, f"{letter} was received before"
            assert letter.number == len(self.names) + 1
            self.names[letter.id] = letter.name
            if letter.deduplication_id is not None:
                self.deduplication_ids.add(letter.deduplication_id)
        for signal_id, by in taken.items():
            assert signal_id in self.names
            assert signal_id not in self.taken, f"{self.taken[signal_id]} and {by} have taken one signal"
            self.taken[signal_id] = by
        self._check_takers(taken.values(), rows)
        self._check_waiters(rows)

    def _check_takers(self, takers: Iterable[TakenBy], rows: Mapping[str, StepState]) -> None:
        """Only a step takes signals that has all it needs, and that is completed by them."""
        for by, count in Counter(takers).items():
            row = rows[by.step_key]
            assert (row.status, row.attempt) == (StepStatus.SUCCEEDED, by.attempt)
            assert isinstance(row.progress, SignalWait)
            names = len(row.progress.names) if row.progress.mode == "all" else 1
            assert count == row.progress.quorum * names

    def _check_waiters(self, rows: Mapping[str, StepState]) -> None:
        """No step waits for what lies there and nobody else who waits wants."""
        kept = Counter(name for signal_id, name in self.names.items() if signal_id not in self.taken)
        waiting = [row.progress for row in rows.values() if row.wait is WaitKind.SIGNAL]
        for wait in waiting:
            assert isinstance(wait, SignalWait)
            rivals = [other for other in waiting if other is not wait and _share(wait, other)]
            counts = [kept[name] for name in wait.names]
            enough = min(counts) >= wait.quorum if wait.mode == "all" else sum(counts) >= wait.quorum
            assert rivals or not enough, f"{wait} is left waiting for what is there: {kept}"


def _share(wait: SignalWait, other: object) -> bool:
    return isinstance(other, SignalWait) and not set(wait.names).isdisjoint(other.names)
