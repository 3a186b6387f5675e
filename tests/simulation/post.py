"""The signals of one run, and what must hold of them: an acknowledged one is taken once, or still in the mailbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from floworch.core.machine.mailbox import Letter, ReceivedSignal, TakenBy
from floworch.core.machine.state import WaitKind
from floworch.core.machine.transition import Fact
from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus
from tests.simulation.ledger import Ledger
from tests.simulation.oracle import Result
from tests.simulation.specs import SignalSpec, spec_of

__all__ = ["Post"]


@dataclass(slots=True)
class Post:
    ledger: Ledger
    names: dict[UUID, str] = field(default_factory=dict)
    """Every signal that was received."""
    payloads: dict[UUID, Json] = field(default_factory=dict)
    known: list[Letter] = field(default_factory=list)
    taken: dict[UUID, TakenBy] = field(default_factory=dict)
    deduplication_ids: set[str] = field(default_factory=set)

    def write(
        self,
        signals: Iterable[ReceivedSignal],
        taken: Mapping[UUID, TakenBy],
        facts: Iterable[Fact],
        at: datetime,
    ) -> None:
        """Take over one commit that is in the ledger."""
        for signal in signals:
            letter = signal.letter
            assert letter.id not in self.names, f"{letter} was received twice"
            assert letter.deduplication_id not in self.deduplication_ids, f"{letter} was received before"
            assert letter.number == len(self.names) + 1
            self.names[letter.id] = letter.name
            self.known.append(letter)
            self.payloads[letter.id] = signal.payload.value
            if letter.deduplication_id is not None:
                self.deduplication_ids.add(letter.deduplication_id)
        for signal_id, by in taken.items():
            assert signal_id in self.names
            assert signal_id not in self.taken, f"{self.taken[signal_id]} and {by} have taken one signal"
            self.taken[signal_id] = by
        for key in {by.step_key for by in taken.values()}:
            self._check_taker(key)
        self._check_waiters()
        for fact in facts:
            if fact.get("error", {}).get("type") == "SignalTimeout":
                self._check_timeout(fact["step"], at)

    def letters(self) -> list[Letter]:
        """As the store has them."""
        takers = {letter: by.step_key for letter, by in self.taken.items()}
        return [letter._replace(taken_by=takers.get(letter.id)) for letter in self.known]

    def waited(self) -> dict[str, Result]:
        """What the waits have come to."""
        ends = self.ledger.results()
        return {key: end for key, end in ends.items() if spec_of(self.ledger.flow, key).signal is not None}

    def _check_timeout(self, key: str, at: datetime) -> None:
        """A wait has come to nothing. Its time is up, and it is not because of signals that it does not want."""
        row, spec = self.ledger.rows[key], self._spec(key)
        assert spec.timeout_seconds is not None
        assert row.started_at is not None
        assert at >= row.started_at + timedelta(seconds=spec.timeout_seconds), f"{key} has given up too early"

    def _check_taker(self, key: str) -> None:
        """Only a step takes signals that has all it needs, and that is completed by them."""
        row, spec = self.ledger.rows[key], self._spec(key)
        letters = [letter for letter in self.names if self.taken.get(letter) == TakenBy(key, row.attempt)]
        assert row.status is StepStatus.SUCCEEDED
        assert all(spec.takes(self.payloads[letter]) for letter in letters)
        assert self.ledger.outputs[key].value == self._output(spec, letters)

    def _output(self, spec: SignalSpec, letters: Sequence[UUID]) -> Json:
        """In the order in which the signals came."""
        if spec.mode == "all":
            of_each = {name: [self.payloads[it] for it in letters if self.names[it] == name] for name in spec.names}
            return {name: _only(spec, found) for name, found in of_each.items()}
        assert {self.names[letter] for letter in letters} <= set(spec.names)
        if spec.mode == "one":
            return _only(spec, [self.payloads[letter] for letter in letters])
        return _only(spec, [{"name": self.names[letter], "payload": self.payloads[letter]} for letter in letters])

    def _check_waiters(self) -> None:
        """No step waits for what lies there and nobody else who waits wants."""
        kept = [letter for letter in self.names if letter not in self.taken]
        waiting = [key for key, row in self.ledger.rows.items() if row.wait is WaitKind.SIGNAL]
        wanted = Counter(name for key in waiting for name in self._spec(key).names)
        for key in waiting:
            spec = self._spec(key)
            fits = Counter(self.names[letter] for letter in kept if spec.takes(self.payloads[letter]))
            counts = [fits[name] for name in spec.names]
            enough = min(counts) >= spec.quorum if spec.mode == "all" else sum(counts) >= spec.quorum
            has_rivals = any(wanted[name] > 1 for name in spec.names)
            assert has_rivals or not enough, f"{key} is left waiting for what is there: {fits}"

    def _spec(self, key: str) -> SignalSpec:
        signal = spec_of(self.ledger.flow, key).signal
        assert signal is not None, f"{key} does not wait for signals"
        return signal


def _only(spec: SignalSpec, values: Sequence[Json]) -> Json:
    assert len(values) == spec.quorum
    return values[0] if spec.quorum == 1 else [*values]
