"""What a batch comes to: which statements write which rows, in the order that all transactions keep."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from floworch.core.ports.storage import Claim, Creation, Outcome
from floworch.storage.sql.bulk import Row, Statement
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.rows import Rows, in_order
from floworch.storage.sql.statements import RUN_CHANGE, STEP_CHANGE, Statements

__all__ = ["Write", "claims_in_order", "key_of", "key_rows", "new_keys", "outcome", "outcomes", "writes_of"]

_CHANGED_STEP = (len(STEP_CHANGE), len(STEP_CHANGE) + 1)


@dataclass(frozen=True, slots=True)
class Write:
    """Rows of one statement. ``is_exact``: each of them must find the table as the engine left it."""

    statement: Statement
    rows: Sequence[Row]
    is_exact: bool = False


def writes_of(statements: Statements, rows: Rows) -> list[Write]:
    """Creations and advances, but for their history."""
    every = (
        Write(statements.insert_run, rows.insert_run),
        Write(statements.insert_child, rows.insert_child),
        Write(statements.insert_tick_run, rows.insert_tick_run),
        Write(statements.insert_tag, in_order(rows.insert_tag, 0, 1)),
        Write(statements.advance_run, in_order(rows.advance_run, len(RUN_CHANGE)), True),
        Write(statements.touch_run, in_order(rows.touch_run, 0), True),
        Write(statements.tell_parent, in_order(rows.tell_parent, 0)),
        Write(statements.suspend_run, in_order(rows.suspend_run, 3)),
        Write(statements.mark_end, in_order(rows.mark_end, 1)),
        Write(statements.hear_of, in_order(rows.hear_of, 0)),
        Write(statements.move_run, in_order(rows.move_run, 2)),
        Write(statements.remove_step, in_order(rows.remove_step, 0, 1)),
        Write(statements.change_step, in_order(rows.change_step, *_CHANGED_STEP), True),
        Write(statements.insert_step, in_order(rows.insert_step, 0, 1), True),
        Write(statements.settle_scope, rows.settle_scope),
        Write(statements.revive_scope, rows.revive_scope),
        Write(statements.remove_payload, [row[:3] for row in rows.payload]),
        Write(statements.insert_payload, rows.payload),
        Write(statements.insert_signal, rows.insert_signal),
        Write(statements.take_signal, in_order(rows.take_signal, 3, 4), True),
    )
    return [write for write in every if write.rows]


def key_of(creation: Creation) -> tuple[UUID, str] | None:
    key = creation.facts_of_run.idempotency_key
    return None if key is None else (creation.facts_of_run.flow_id, key)


def new_keys(creations: Sequence[Creation]) -> dict[tuple[UUID, str], Creation]:
    """The first creation with each key."""
    first: dict[tuple[UUID, str], Creation] = {}
    for creation in creations:
        if (key := key_of(creation)) is not None:
            first.setdefault(key, creation)
    return first


def key_rows(dialect: SqlDialect, first: dict[tuple[UUID, str], Creation]) -> list[Row]:
    """Rows of ``insert_key``."""
    rows = [
        (str(flow_id), key, str(creation.run_id), dialect.instant(creation.at))
        for (flow_id, key), creation in first.items()
    ]
    return in_order(rows, 0, 1)


def claims_in_order(claims: Sequence[Claim]) -> list[Claim]:
    """Sorted for the locks, and once per step: which of two rows a database takes is its own choice."""
    first = {(str(claim.run_id), claim.step_key, claim.attempt): claim for claim in reversed(claims)}
    return [first[key] for key in sorted(first)]


def outcomes(claims: Sequence[Claim], winners: Collection[int], limited: Collection[int] = ()) -> list[Outcome]:
    """``winners`` are the ids of the objects, ``limited`` those of claims that were not granted."""
    return [Outcome.LIMITED if id(claim) in limited else outcome(id(claim) in winners) for claim in claims]


def outcome(is_done: bool) -> Outcome:
    return Outcome.DONE if is_done else Outcome.CONFLICT
