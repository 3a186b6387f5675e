"""Names of the types of bulk values, for the databases that must be told."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Integer, SmallInteger

from floworch.storage.sql.types import Document, Id, Instant, Word

__all__ = ["LEASE_COLUMN", "ColumnTypes"]

LEASE_COLUMN = "lease_until"
"""A bulk row gives seconds for it, which the database adds to its own clock."""


class ColumnTypes:
    """Maps a column's type to the database's name for it."""

    def __init__(self, names: Mapping[type, str], lease_seconds: str) -> None:
        self._names = names
        self._lease_seconds = lease_seconds

    def of(self, column: Column[object]) -> str:
        if column.name == LEASE_COLUMN:
            return self._lease_seconds
        found = next(
            kind
            for kind in (Id, Instant, Word, Document, SmallInteger, BigInteger, Integer)
            if isinstance(column.type, kind)
        )
        return self._names[found].format(length=getattr(column.type, "length", ""))
