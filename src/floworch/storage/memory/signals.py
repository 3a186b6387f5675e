"""Signals of one run in the in-memory store."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from floworch.core.machine.mailbox import Letter, ReceivedSignal, TakenBy
from floworch.core.model.payload import Payload
from floworch.core.model.signals import SignalRecord

__all__ = ["SignalRows"]


class SignalRows:
    """What the run has received, in the order in which it came. Payloads are kept apart, as their texts."""

    def __init__(self) -> None:
        self._records: dict[UUID, SignalRecord] = {}
        self._payloads: dict[UUID, Payload] = {}

    def add(self, signals: Iterable[ReceivedSignal], at: datetime) -> None:
        for signal in signals:
            letter = signal.letter
            self._payloads[letter.id] = signal.payload
            self._records[letter.id] = SignalRecord(
                letter.id, letter.number, letter.name, None, at, letter.deduplication_id
            )

    def take(self, signal_id: UUID, by: TakenBy, at: datetime) -> None:
        self._records[signal_id] = replace(
            self._records[signal_id], taken_by=by.step_key, taken_attempt=by.attempt, taken_at=at
        )

    def letters(self) -> list[Letter]:
        return [
            Letter(one.id, one.number, one.name, one.deduplication_id, one.taken_by) for one in self._records.values()
        ]

    def payload(self, signal_id: UUID) -> Payload | None:
        return self._payloads.get(signal_id)

    def records(self) -> list[SignalRecord]:
        return [
            replace(record, payload=copy.deepcopy(self._payloads[record.id].value)) for record in self._records.values()
        ]
