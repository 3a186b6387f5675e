"""Signals: messages from outside to one run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from floworch.core.model.payload import Json

__all__ = [
    "DEFAULT_SIGNAL",
    "LONGEST_SIGNAL_NAME",
    "SignalRecord",
    "SignalResult",
    "SignalStatus",
    "signal_name_fault",
]

DEFAULT_SIGNAL = "default"
LONGEST_SIGNAL_NAME = 200
"""Characters."""


class SignalStatus(StrEnum):
    """What became of a signal when it was sent."""

    DELIVERED = "delivered"
    """A step waits for it."""
    BUFFERED = "buffered"
    """No step waits for it now; the first one that does will have it."""
    ALREADY_DELIVERED = "already_delivered"
    """The run has had a signal with this deduplication id; nothing was changed."""


@dataclass(frozen=True, slots=True)
class SignalResult:
    """``step_key`` is the step that the signal went to; None while no step waits for it.

    A step that waits for several signals goes on when the last one of them has come.
    """

    status: SignalStatus
    signal_id: UUID
    step_key: str | None = None


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """One signal that a run has received. ``taken_by`` is the step that it completed, with its attempt; until then the
    signal is in the mailbox."""

    id: UUID
    number: int
    """Place among the signals of the run, by when they came; from 1."""
    name: str
    payload: Json
    received_at: datetime
    deduplication_id: str | None = None
    taken_by: str | None = None
    taken_attempt: int | None = None
    taken_at: datetime | None = None


def signal_name_fault(name: object) -> str | None:
    """What is wrong with the name of a signal, or None. Names are compared as they are, so spaces around one count."""
    if not isinstance(name, str):
        return f"the name of a signal is text, not {name!r:.80}"
    if not name.strip():
        return f"the name of a signal is {name!r:.80}, which is blank"
    if len(name) > LONGEST_SIGNAL_NAME:
        return f"the name of a signal has at most {LONGEST_SIGNAL_NAME} characters, {name[:40]!r}... has {len(name)}"
    if "\0" in name or name != name.encode("utf-8", "replace").decode():
        return f"the name of a signal holds neither NUL nor halves of characters, as does {name!r:.80}"
    return None
