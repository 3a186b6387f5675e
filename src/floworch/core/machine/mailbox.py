"""The signals that a run has received. Their payloads stay in the store until a decision needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from floworch.core.model.payload import Payload, PayloadKind, PayloadRef

__all__ = ["Letter", "Mailbox", "ReceivedSignal", "TakenBy", "signal_ref"]


class Letter(NamedTuple):
    """A signal without its payload. ``number`` counts the signals of the run in the order in which they came."""

    id: UUID
    number: int
    name: str
    deduplication_id: str | None = None
    taken_by: str | None = None
    """Key of the step that it has completed; None while nobody has taken it."""


class TakenBy(NamedTuple):
    step_key: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ReceivedSignal:
    """A new signal. ``waiter`` is the step that waits for it, whether or not that has all it needs now."""

    letter: Letter
    payload: Payload
    waiter: str | None = None


@dataclass(slots=True)
class Mailbox:
    """``known`` has every signal that ever came: one that is sent again is recognised by its id."""

    known: dict[UUID, Letter] = field(default_factory=dict)
    by_deduplication_id: dict[str, UUID] = field(default_factory=dict)
    open: dict[str, dict[UUID, Letter]] = field(default_factory=dict)
    """Name → what nobody has taken, in the order in which it came."""

    @classmethod
    def of(cls, letters: Iterable[Letter]) -> Mailbox | None:
        """From stored rows; None when there are none."""
        mailbox = cls()
        for letter in sorted(letters, key=lambda each: each.number):
            mailbox.add(letter)
        return mailbox if mailbox.known else None

    def copy(self) -> Mailbox:
        return Mailbox(
            dict(self.known), dict(self.by_deduplication_id), {name: dict(found) for name, found in self.open.items()}
        )

    def find(self, signal_id: UUID, deduplication_id: str | None) -> Letter | None:
        """The signal with that id, or else with that deduplication id."""
        found = self.known.get(signal_id)
        if found is None and deduplication_id in self.by_deduplication_id:
            return self.known[self.by_deduplication_id[deduplication_id]]
        return found

    def add(self, letter: Letter) -> None:
        self.known[letter.id] = letter
        if letter.deduplication_id is not None:
            self.by_deduplication_id[letter.deduplication_id] = letter.id
        if letter.taken_by is None:
            self.open.setdefault(letter.name, {})[letter.id] = letter

    def take(self, signal_id: UUID, step_key: str) -> None:
        letter = self.known[signal_id]
        self.known[signal_id] = letter._replace(taken_by=step_key)
        of_name = self.open[letter.name]
        del of_name[signal_id]
        if not of_name:
            del self.open[letter.name]


def signal_ref(signal_id: UUID) -> PayloadRef:
    """Names the payload of a signal."""
    return PayloadRef(PayloadKind.SIGNAL, str(signal_id))
