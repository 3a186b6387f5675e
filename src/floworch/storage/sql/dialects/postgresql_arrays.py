"""Columns of bulk rows as literals of PostgreSQL arrays: that costs a tenth of what a driver's list adaptation does.

The rules: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column

from floworch.storage.sql.dialects.column_types import LEASE_COLUMN
from floworch.storage.sql.types import Document, Id, Instant, Word

__all__ = ["array_writer"]


def array_writer(column: Column[Any]) -> Callable[[Sequence[Any]], str]:
    """How to write values of the column."""
    if isinstance(column.type, (Word, Document)):
        return _array_of_texts
    # What a bulk row has for leases are seconds.
    is_plain = isinstance(column.type, Id) or (isinstance(column.type, Instant) and column.name != LEASE_COLUMN)
    return _array_of_plain_words if is_plain else _array_of_numbers


def _array_of_texts(values: Sequence[str | None]) -> str:
    if None in values:
        return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"
    # Three passes over the text of all cost a fourth of two passes over each.
    together = "\0".join(values)  # type: ignore[arg-type]
    if together.count("\0") != len(values) - 1:  # one that no server takes: let it say so
        return "{" + ",".join(map(_quoted, values)) + "}"  # type: ignore[arg-type]
    return "{" + _quoted(together).replace("\0", '","') + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _array_of_plain_words(values: Sequence[str | None]) -> str:
    """Of ids and instants, which hold nothing that would need quotes."""
    if None in values:
        return "{" + ",".join(["NULL" if value is None else value for value in values]) + "}"
    return "{" + ",".join(values) + "}"  # type: ignore[arg-type]


def _array_of_numbers(values: Sequence[float | None]) -> str:
    # Python's own words for a list, which take a third of the time of one call per number.
    return "{" + repr([*values])[1:-1].replace("None", "NULL") + "}"
