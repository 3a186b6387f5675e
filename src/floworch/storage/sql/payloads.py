"""Reads payloads, wherever they are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Connection, Row, select

from floworch.core.machine.block_output import state_payload
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.status import StepStatus
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.signals import signal_texts
from floworch.storage.sql.states import begins_with
from floworch.storage.sql.tables import IN_PAYLOAD_TABLE, Tables

__all__ = ["StoredTexts", "load_outputs", "load_payloads", "long_texts", "resolve"]

StoredTexts: TypeAlias = dict[tuple[str, str], str]
"""(step key, kind) → text of the payload table; the key is empty for what belongs to the run."""

_KEYS_PER_QUERY = 500


def load_payloads(
    connection: Connection, tables: Tables, run_id: UUID, refs: Sequence[PayloadRef]
) -> dict[PayloadRef, Payload | None]:
    """See :meth:`Storage.load_payloads <floworch.core.ports.storage.Storage.load_payloads>`. Needs a snapshot."""
    texts = _of_run(connection, tables, run_id, refs) | _of_steps(connection, tables, run_id, refs)
    texts |= signal_texts(connection, tables, run_id, refs)
    texts |= _states(connection, tables, run_id, refs)
    elsewhere = [ref for ref in refs if ref.kind is PayloadKind.ITEMS or texts.get(ref) == IN_PAYLOAD_TABLE]
    long = long_texts(connection, tables, run_id, {ref.step_key for ref in elsewhere})
    texts.update((ref, long.get((ref.step_key, ref.kind.value))) for ref in elsewhere)
    return {ref: _payload(texts.get(ref)) for ref in refs}


def load_outputs(connection: Connection, tables: Tables, run_id: UUID, prefix: str) -> dict[str, Payload | None]:
    """See :meth:`Storage.load_outputs <floworch.core.ports.storage.Storage.load_outputs>`. Needs a snapshot."""
    c = tables.step.c
    wanted = select(c.step_key, c.output).where(
        c.run_id == run_id, *begins_with(c.step_key, prefix), c.status == StepStatus.SUCCEEDED.value
    )
    texts = {row.step_key: row.output for row in connection.execute(wanted)}
    long = long_texts(connection, tables, run_id, (key for key, text in texts.items() if text == IN_PAYLOAD_TABLE))
    return {key: _payload(resolve(long, key, PayloadKind.OUTPUT.value, text)) for key, text in texts.items()}


def long_texts(connection: Connection, tables: Tables, run_id: UUID, step_keys: Iterable[str]) -> StoredTexts:
    """What the payload table has of these steps."""
    c = tables.payload.c
    found: StoredTexts = {}
    for keys in chunks(step_keys, _KEYS_PER_QUERY):
        wanted = select(c.step_key, c.kind, c.json).where(c.run_id == run_id, c.step_key.in_(keys))
        found.update({(row.step_key, row.kind): row.json for row in connection.execute(wanted)})
    return found


def resolve(long: Mapping[tuple[str, str], str], step_key: str, kind: str, text: str | None) -> str | None:
    """The text itself, or what it stands for."""
    return long[step_key, kind] if text == IN_PAYLOAD_TABLE else text


def _of_run(
    connection: Connection, tables: Tables, run_id: UUID, refs: Sequence[PayloadRef]
) -> dict[PayloadRef, str | None]:
    wanted = {ref for ref in refs if ref.kind in (PayloadKind.BODY, PayloadKind.HEADERS)}
    if not wanted:
        return {}
    c = tables.run.c
    row = connection.execute(select(c.body, c.headers).where(c.id == run_id)).one_or_none()
    return {} if row is None else {ref: _column(row, ref) for ref in wanted}


def _of_steps(
    connection: Connection, tables: Tables, run_id: UUID, refs: Sequence[PayloadRef]
) -> dict[PayloadRef, str | None]:
    wanted = {ref for ref in refs if ref.kind in (PayloadKind.INPUT, PayloadKind.OUTPUT, PayloadKind.ERROR)}
    c = tables.step.c
    rows: dict[str, Row[*tuple[Any, ...]]] = {}
    for keys in chunks({ref.step_key for ref in wanted}, _KEYS_PER_QUERY):
        found = select(c.step_key, c.input, c.output, c.error).where(c.run_id == run_id, c.step_key.in_(keys))
        rows.update({row.step_key: row for row in connection.execute(found)})
    return {ref: _column(rows[ref.step_key], ref) for ref in wanted if ref.step_key in rows}


def _states(
    connection: Connection, tables: Tables, run_id: UUID, refs: Sequence[PayloadRef]
) -> dict[PayloadRef, str | None]:
    c = tables.step.c
    texts: dict[PayloadRef, str | None] = {}
    for keys in chunks((ref.step_key for ref in refs if ref.kind is PayloadKind.STATE), _KEYS_PER_QUERY):
        found = select(c.step_key, c.status, c.progress).where(c.run_id == run_id, c.step_key.in_(keys))
        for row in connection.execute(found):
            progress = None if row.progress is None else json.loads(row.progress)
            texts[PayloadRef(PayloadKind.STATE, row.step_key)] = state_payload(StepStatus(row.status), progress).text
    return texts


def _column(row: Row[*tuple[Any, ...]], ref: PayloadRef) -> str | None:
    text: str | None = row._mapping[ref.kind.value]
    return text


def _payload(text: str | None) -> Payload | None:
    return None if text is None else Payload(text)
