"""Signals of runs: their metadata for the planner, their payloads when a decision reads them, all of it for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, case, exists, select

from floworch.core.machine.mailbox import Letter
from floworch.core.model.json_decode import decode
from floworch.core.model.payload import PayloadKind, PayloadRef
from floworch.core.model.signals import SignalRecord
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.tables import Tables

__all__ = ["has_signals", "list_signals", "load_letters", "signal_texts"]

_RUNS_PER_QUERY = 500


def has_signals(tables: Tables) -> ColumnElement[Any]:
    """1 for a run that has received any: looked up with the run, so that only those cost another question."""
    return case((exists().where(tables.signal.c.run_id == tables.run.c.id), 1), else_=0).label("has_signals")


def load_letters(connection: Connection, tables: Tables, run_ids: Iterable[UUID]) -> dict[UUID, list[Letter]]:
    """All signals of these runs, without their payloads."""
    c = tables.signal.c
    found: dict[UUID, list[Letter]] = defaultdict(list)
    for ids in chunks(run_ids, _RUNS_PER_QUERY):
        wanted = select(c.run_id, c.id, c.number, c.name, c.deduplication_id, c.taken_by).where(c.run_id.in_(ids))
        for run_id, *letter in connection.execute(wanted):
            found[run_id].append(Letter(*letter))
    return found


def signal_texts(
    connection: Connection, tables: Tables, run_id: UUID, refs: Sequence[PayloadRef]
) -> dict[PayloadRef, str | None]:
    """Texts of the payloads of signals among ``refs``."""
    c = tables.signal.c
    texts: dict[PayloadRef, str | None] = {}
    for ids in chunks((UUID(ref.step_key) for ref in refs if ref.kind is PayloadKind.SIGNAL), _RUNS_PER_QUERY):
        rows = connection.execute(select(c.id, c.payload).where(c.run_id == run_id, c.id.in_(ids)))
        texts.update({PayloadRef(PayloadKind.SIGNAL, str(row.id)): row.payload for row in rows})
    return texts


def list_signals(connection: Connection, tables: Tables, run_id: UUID) -> list[SignalRecord]:
    """See :meth:`Storage.list_signals <floworch.core.ports.storage.Storage.list_signals>`."""
    c = tables.signal.c
    rows = connection.execute(select(tables.signal).where(c.run_id == run_id).order_by(c.number))
    return [
        SignalRecord(
            id=row.id,
            number=row.number,
            name=row.name,
            payload=decode(row.payload),
            received_at=row.received_at,
            deduplication_id=row.deduplication_id,
            taken_by=row.taken_by,
            taken_attempt=row.taken_attempt,
            taken_at=row.taken_at,
        )
        for row in rows
    ]
