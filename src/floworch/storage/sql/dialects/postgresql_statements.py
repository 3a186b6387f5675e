"""Bulk statements of PostgreSQL: one array per column, so a statement's text does not depend on the number of rows."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Integer, SmallInteger

from floworch.storage.sql.bulk import Delete, Insert, Row, RowSet, Statement, Update
from floworch.storage.sql.dialects.column_types import LEASE_COLUMN, ColumnTypes
from floworch.storage.sql.dialects.postgresql_arrays import array_writer
from floworch.storage.sql.pipe import Order
from floworch.storage.sql.types import Document, Id, Instant, Word

__all__ = ["delete", "insert", "update"]

_TYPES = ColumnTypes(
    {
        Id: "uuid",
        Instant: "timestamptz",
        Word: "text",
        Document: "text",
        SmallInteger: "smallint",
        BigInteger: "bigint",
        Integer: "integer",
    },
    lease_seconds="double precision",
)


_TELL_WHICH = "\nRETURNING v.place"
# An error of the server's that needs no function of our own, and whose words its administrator understands.
_STRICT = """WITH written AS (%s
RETURNING 1)
SELECT CASE count(*) WHEN cardinality($1) THEN 0
ELSE ('floworch: rows were changed meanwhile, the batch is looked at: ' || count(*))::integer END
FROM written"""


def insert(statement: Insert, lease_origin: str) -> Statement:
    """``lease_origin`` is the expression for what leases are counted from."""

    def text(absent: Collection[str]) -> str:
        names = [name for name in statement.columns if name not in absent]
        columns = statement.columns_of(names)
        quoted = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(_value(column, place, lease_origin) for place, column in enumerate(columns))
        return f"INSERT INTO {_name(statement)} ({quoted})\nSELECT {values}\nFROM {_unnest(columns)}"

    tail = "\nON CONFLICT DO NOTHING" if statement.skip_existing else ""
    return _PostgresqlStatement(statement.columns_of(statement.columns), text, statement.rarely, tail=tail)


def update(statement: Update, lease_origin: str) -> Statement:
    """As for :func:`insert`."""

    def text(absent: Collection[str]) -> str:
        names = [name for name in statement.columns if name not in absent]
        columns = statement.columns_of((*names, *matched))
        sets = [
            f'"{name}" = {_value(column, place, lease_origin)}'
            for place, (name, column) in enumerate(zip(names, columns, strict=False))
        ]
        nulls = [f'"{name}" = NULL' for name in statement.columns if name in absent]
        source, conditions = _source(statement, columns, len(names))
        return (
            f"UPDATE {_name(statement)} AS t\nSET {', '.join((*sets, *nulls, *statement.constants))}\n"
            f"FROM {source}\nWHERE {' AND '.join(conditions)}"
        )

    matched = [match.column for match in statement.match]
    columns = statement.columns_of((*statement.columns, *matched))
    return _PostgresqlStatement(columns, text, statement.rarely, strict=_STRICT)


def delete(statement: Delete) -> Statement:
    columns = statement.columns_of([match.column for match in statement.match])
    conditions = [f't."{match.column}" = v.p{place}' for place, match in enumerate(statement.match)]
    text = f"DELETE FROM {_name(statement)} AS t\nUSING {_unnest(columns)}\nWHERE {' AND '.join(conditions)}"
    return _PostgresqlStatement(columns, lambda _: text)


class _PostgresqlStatement(Statement):
    """``text`` writes it without the columns that it is given. ``tail`` makes it write what it can, ``strict`` fail
    unless it writes all."""

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        text: Callable[[Collection[str]], str],
        rarely: Sequence[str] = (),
        *,
        tail: str = "",
        strict: str = "%s",
    ) -> None:
        self._wide = _form(columns, text(()), (), tail, strict)
        self._narrow = _form(columns, text(rarely), rarely, tail, strict)
        names = [column.name for column in columns]
        self._rare = [names.index(name) for name in rarely]

    @property
    def sql(self) -> str:
        return self._wide.text

    def apply(self, connection: Connection, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        form, arrays = self._filled(rows)
        return connection.exec_driver_sql(form.text, arrays).rowcount

    def apply_each(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        if not rows:
            return []
        form, arrays = self._filled(rows)
        written = set(connection.exec_driver_sql(form.text + _TELL_WHICH, arrays).scalars())
        return [place in written for place in range(1, len(rows) + 1)]

    def order(self, rows: Sequence[Row], *, tells_which: bool = False) -> Order:
        form, arrays = self._filled(rows)
        text = form.numbered + _TELL_WHICH if tells_which else form.numbered
        return Order(text, [array.encode() for array in arrays])

    def strict_order(self, rows: Sequence[Row]) -> Order:
        form, arrays = self._filled(rows)
        return Order(form.strict, [array.encode() for array in arrays])

    def _filled(self, rows: Sequence[Row]) -> tuple[_Form, tuple[str, ...]]:
        columns = list(zip(*rows, strict=True))
        # Every array costs the server as much as a value in each row, also when there is nothing in it.
        is_narrow = all(columns[place].count(None) == len(rows) for place in self._rare)
        form = self._narrow if is_narrow else self._wide
        return form, tuple([write(columns[place]) for place, write in form.arrays])


@dataclass(frozen=True, slots=True)
class _Form:
    """The statement with some of its columns, whose places in a row ``arrays`` has. ``text`` is for the driver,
    ``numbered`` and ``strict`` for the protocol."""

    text: str
    numbered: str
    strict: str
    arrays: Sequence[tuple[int, Callable[[Sequence[Any]], str]]]


def _form(columns: Sequence[Column[Any]], text: str, absent: Sequence[str], tail: str, strict: str) -> _Form:
    arrays = [(place, array_writer(column)) for place, column in enumerate(columns) if column.name not in absent]
    numbered = _numbered(text)
    return _Form(text + tail, numbered + tail, strict.replace("%s", numbered), arrays)


def _numbered(text: str) -> str:
    numbers = itertools.count(1)
    return re.sub("%s", lambda _: f"${next(numbers)}", text)


def _name(statement: RowSet) -> str:
    return f'"{statement.table.schema}"."{statement.table.name}"'


def _value(column: Column[Any], place: int, lease_origin: str) -> str:
    if column.name == LEASE_COLUMN:
        return f"{lease_origin} + v.p{place} * interval '1 second'"
    return f"v.p{place}"


def _unnest(columns: Sequence[Column[Any]]) -> str:
    arrays = ", ".join(f"%s::{_TYPES.of(column)}[]" for column in columns)
    names = ", ".join(f"p{place}" for place in range(len(columns)))
    return f"unnest({arrays}) WITH ORDINALITY AS v ({names}, place)"


def _source(statement: Update, columns: Sequence[Column[Any]], first_match: int) -> tuple[str, list[str]]:
    """Where the values come from, and what must hold for a row."""
    matches = [
        f'{{row}}."{match.column}" {match.operator} v.p{place}'
        for place, match in enumerate(statement.match, first_match)
    ]
    conditions = [match.format(row="t") for match in matches]
    if statement.passes_over_locked:
        return _free_rows(statement, columns, matches), [*conditions, "v.fits"]
    if statement.condition:
        conditions.append(statement.condition.format(row="t"))
    return _unnest(columns), conditions


def _free_rows(statement: Update, columns: Sequence[Column[Any]], matches: Sequence[str]) -> str:
    """The rows that match and that nobody else is changing, locked, and whether they fulfil the condition."""
    joined = " AND ".join(match.format(row="l") for match in matches)
    condition = statement.condition.format(row="l") or "true"
    # The offset keeps the condition where it is. Otherwise the partial index that it fits to would be read from end to
    # end, though the match is about a few rows: the server thinks the index is nearly empty when it was yesterday.
    return (
        f"(SELECT v.*, {condition} AS fits FROM {_unnest(columns)}\n"
        f"JOIN {_name(statement)} AS l ON {joined}\nOFFSET 0 FOR NO KEY UPDATE OF l SKIP LOCKED) AS v"
    )
