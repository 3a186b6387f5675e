"""Statements that write many rows at once: what they do, said once; each dialect says how.

These few are the hot path. They are text, prepared once per store, and take all their rows in one execution: building
them as SQLAlchemy constructs for every commit would cost more than the database needs to run them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Column, Connection, Table

from floworch.storage.sql.pipe import Order

__all__ = ["Delete", "Insert", "Match", "Row", "RowSet", "Statement", "Update"]

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """``column operator value-of-the-row``."""

    column: str
    operator: str = "="


@dataclass(frozen=True, slots=True)
class RowSet:
    """What all three kinds of statement share: rows whose values belong to columns of ``table``."""

    table: Table

    def columns_of(self, names: Sequence[str]) -> list[Column[Any]]:
        return [self.table.c[name] for name in names]


@dataclass(frozen=True, slots=True)
class Insert(RowSet):
    """A row holds the values of ``columns``; the first one is never null."""

    columns: tuple[str, ...]
    skip_existing: bool = False
    """Leave out rows whose primary key exists, and do not count them."""
    rarely: tuple[str, ...] = ()
    """Columns that are null in most rows, which a database may take as a hint."""


@dataclass(frozen=True, slots=True)
class Update(RowSet):
    """A row holds the values of ``columns``, then those of ``match``.

    ``constants`` and ``condition`` are SQL that every database understands, with ``{row}`` for the updated row.
    """

    match: tuple[Match, ...]
    columns: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()
    condition: str = ""
    passes_over_locked: bool = False
    """Leave out rows that another transaction is changing, instead of waiting for it."""
    rarely: tuple[str, ...] = ()
    """As for :class:`Insert`. None of them is matched."""


@dataclass(frozen=True, slots=True)
class Delete(RowSet):
    """A row holds the values of ``match``."""

    match: tuple[Match, ...]


class Statement(ABC):
    """A bulk statement in the words of one database."""

    @property
    @abstractmethod
    def sql(self) -> str:
        """The text, for one row where it depends on the number of rows."""

    @abstractmethod
    def apply(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Number of table rows written. No rows, no statement."""

    @abstractmethod
    def apply_each(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        """Which of the rows wrote something, in their order. For updates that match at most one table row each."""

    def order(self, rows: Sequence[Row], *, tells_which: bool = False) -> Order:
        """The same for a pipe. The values of the answer are, if asked for and the database can tell, the places of the
        rows that wrote something, counted from 1. Only for databases that have pipes. Raises Unsuited."""
        raise NotImplementedError(self.sql)

    def strict_order(self, rows: Sequence[Row]) -> Order:
        """The same, but the order fails unless each row writes something. Only for inserts and updates."""
        raise NotImplementedError(self.sql)
