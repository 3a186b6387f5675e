"""What a batch comes to: which statements write which rows, in the order that all transactions keep."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from floworch.core.ports.storage import Claim, Creation, Outcome
from floworch.storage.sql.bulk import Row, Statement
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.rows import Rows, in_order
from floworch.storage.sql.statements import RUN_CHANGE, STEP_CHANGE, Statements

__all__ = ["Write", "claims_in_order", "key_of", "key_rows", "new_keys", "outcome", "outcomes", "writes_of"]


class Write(NamedTuple):
    """Rows of one statement. ``is_exact``: each of them must find the table as the engine left it."""

    statement: Statement
    rows: Sequence[Row]
    is_exact: bool = False


def writes_of(statements: Statements, rows: Rows) -> list[Write]:
    """Creations and advances, but for their history."""
    writes: list[Write] = []
    for name, key, is_exact in _ORDER:
        found: list[Row] = getattr(rows, name)
        if found:
            writes.append(Write(getattr(statements, name), in_order(found, *key) if key else found, is_exact))
    if rows.payload:
        removed = Write(statements.remove_payload, [row[:3] for row in rows.payload])
        writes += [removed, Write(statements.insert_payload, rows.payload)]
    return writes


_ORDER: Sequence[tuple[str, tuple[int, ...], bool]] = (
    ("insert_run", (), False),
    ("insert_child", (), False),
    ("insert_tick_run", (), False),
    ("insert_tag", (0, 1), False),
    ("advance_run", (len(RUN_CHANGE),), True),
    ("touch_run", (0,), True),
    ("tell_parent", (0,), False),
    ("suspend_run", (3,), False),
    ("mark_end", (1,), False),
    ("hear_of", (0,), False),
    ("move_run", (2,), False),
    ("remove_step", (0, 1), False),
    ("change_step", (len(STEP_CHANGE), len(STEP_CHANGE) + 1), True),
    ("insert_step", (0, 1), True),
    ("settle_scope", (), False),
    ("revive_scope", (), False),
    ("insert_signal", (), False),
    ("take_signal", (3, 4), True),
)
"""Names of rows and their statements, by what each one's rows are sorted, and whether they are exact."""


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
