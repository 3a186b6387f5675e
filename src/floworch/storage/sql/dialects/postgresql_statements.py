"""Bulk statements of PostgreSQL: one array per column, so a statement's text does not depend on the number of rows.

On pipes there is a second text for a single row, with one parameter per column: what a commit on an idle system is made
of takes the server a third less that way.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Column, Connection, Integer, SmallInteger

from floworch.storage.sql.bulk import Delete, Insert, Row, RowSet, Statement, Update
from floworch.storage.sql.dialects.column_types import LEASE_COLUMN, ColumnTypes
from floworch.storage.sql.dialects.postgresql_arrays import array_writer
from floworch.storage.sql.pipe import Order, Unsuited
from floworch.storage.sql.types import Document, Id, Instant, Word

__all__ = ["delete", "insert", "update"]

_Rows: TypeAlias = Callable[[Sequence[Column[Any]]], str]
"""Makes rows ``v`` of parameters for the columns."""
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


def insert(statement: Insert, lease_origin: str) -> Statement:
    """``lease_origin`` is the expression for what leases are counted from."""

    def text(absent: Collection[str], rows: _Rows) -> str:
        names = [name for name in statement.columns if name not in absent]
        columns = statement.columns_of(names)
        quoted = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(_value(column, place, lease_origin) for place, column in enumerate(columns))
        return f"INSERT INTO {_name(statement)} ({quoted})\nSELECT {values}\nFROM {rows(columns)}"

    tail = "\nON CONFLICT DO NOTHING" if statement.skip_existing else ""
    return _PostgresqlStatement(statement.columns_of(statement.columns), text, statement.rarely, tail=tail)


def update(statement: Update, lease_origin: str) -> Statement:
    """As for :func:`insert`."""

    def text(absent: Collection[str], rows: _Rows) -> str:
        names = [name for name in statement.columns if name not in absent]
        columns = statement.columns_of((*names, *matched))
        sets = [
            f'"{name}" = {_value(column, place, lease_origin)}'
            for place, (name, column) in enumerate(zip(names, columns, strict=False))
        ]
        nulls = [f'"{name}" = NULL' for name in statement.columns if name in absent]
        source, conditions = _source(statement, columns, rows, len(names))
        return (
            f"UPDATE {_name(statement)} AS t\nSET {', '.join((*sets, *nulls, *statement.constants))}\n"
            f"FROM {source}\nWHERE {' AND '.join(conditions)}"
        )

    matched = [match.column for match in statement.match]
    columns = statement.columns_of((*statement.columns, *matched))
    return _PostgresqlStatement(columns, text, statement.rarely, counts=True)


def delete(statement: Delete) -> Statement:
    columns = statement.columns_of([match.column for match in statement.match])
    conditions = [f't."{match.column}" = v.p{place}' for place, match in enumerate(statement.match)]

    def text(_: Collection[str], rows: _Rows) -> str:
        return f"DELETE FROM {_name(statement)} AS t\nUSING {rows(columns)}\nWHERE {' AND '.join(conditions)}"

    return _PostgresqlStatement(columns, text)


class _PostgresqlStatement(Statement):
    """``text`` writes it without the columns that it is given, for that source of rows. ``tail`` makes it write what it
    can. Without, it fails unless it writes all if that is only a matter of keys, or otherwise if it ``counts``."""

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        text: Callable[[Collection[str], _Rows], str],
        rarely: Sequence[str] = (),
        *,
        tail: str = "",
        counts: bool = False,
    ) -> None:
        self._wide, self._narrow = (
            _Form(
                _texts(text(absent, _unnest), tail, "cardinality($1)" if counts else None),
                _texts(text(absent, _values), tail, "1" if counts else None),
                [(place, array_writer(column)) for place, column in enumerate(columns) if column.name not in absent],
            )
            for absent in ((), rarely)
        )
        names = [column.name for column in columns]
        self._rare = [names.index(name) for name in rarely]

    @property
    def sql(self) -> str:
        return self._wide.many.plain

    def apply(self, connection: Connection, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        texts, arrays = self._of_many(rows)
        return connection.exec_driver_sql(texts.plain, arrays).rowcount

    def apply_each(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        if not rows:
            return []
        texts, arrays = self._of_many(rows)
        written = set(connection.exec_driver_sql(texts.plain + _TELL_WHICH, arrays).scalars())
        return [place in written for place in range(1, len(rows) + 1)]

    def order(self, rows: Sequence[Row], *, tells_which: bool = False) -> Order:
        texts, parameters = self._filled(rows)
        return Order(texts.numbered + _TELL_WHICH if tells_which else texts.numbered, parameters)

    def strict_order(self, rows: Sequence[Row]) -> Order:
        texts, parameters = self._filled(rows)
        return Order(texts.strict, parameters)

    def _filled(self, rows: Sequence[Row]) -> tuple[_Texts, list[bytes | None]]:
        if len(rows) == 1:
            return self._of_one(rows[0])
        texts, arrays = self._of_many(rows)
        return texts, [array.encode() for array in arrays]

    def _of_one(self, row: Row) -> tuple[_Texts, list[bytes | None]]:
        is_narrow = all(row[place] is None for place in self._rare)
        form = self._narrow if is_narrow else self._wide
        return form.one, [_encoded(row[place]) for place, _ in form.arrays]

    def _of_many(self, rows: Sequence[Row]) -> tuple[_Texts, tuple[str, ...]]:
        columns = list(zip(*rows, strict=True))
        # Every array costs the server as much as a value in each row, also when there is nothing in it.
        is_narrow = all(columns[place].count(None) == len(rows) for place in self._rare)
        form = self._narrow if is_narrow else self._wide
        return form.many, tuple([write(columns[place]) for place, write in form.arrays])


@dataclass(frozen=True, slots=True)
class _Form:
    """The statement with some of its columns, whose places in a row ``arrays`` has."""

    many: _Texts
    one: _Texts
    arrays: Sequence[tuple[int, Callable[[Sequence[Any]], str]]]


@dataclass(frozen=True, slots=True)
class _Texts:
    """``plain`` is for the driver, the others for the protocol."""

    plain: str
    numbered: str
    strict: str


def _texts(text: str, tail: str, rows: str | None) -> _Texts:
    """``rows`` is the number of rows that it has to write, as SQL, if that has to be said."""
    numbered = _numbered(text)
    return _Texts(text + tail, numbered + tail, numbered if rows is None else _counting(numbered, rows))


def _counting(text: str, rows: str) -> str:
    """An error of the server's that needs no function of our own, and whose words its administrator understands."""
    return (
        f"WITH written AS ({text}\nRETURNING 1)\nSELECT CASE count(*) WHEN {rows} THEN 0\n"
        "ELSE ('floworch: rows have changed meanwhile; as expected are ' || count(*))::integer END\n"
        "FROM written"
    )


def _encoded(value: object) -> bytes | None:
    if value is None:
        return None
    text = str(value)
    if "\0" in text:
        raise Unsuited  # libpq would take it for the end
    return text.encode()


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
    return f"unnest({arrays}) WITH ORDINALITY AS v ({_names(columns)}, place)"


def _values(columns: Sequence[Column[Any]]) -> str:
    values = ", ".join(f"%s::{_TYPES.of(column)}" for column in columns)
    return f"(VALUES ({values}, 1::bigint)) AS v ({_names(columns)}, place)"


def _names(columns: Sequence[Column[Any]]) -> str:
    return ", ".join(f"p{place}" for place in range(len(columns)))


def _source(statement: Update, columns: Sequence[Column[Any]], rows: _Rows, first_match: int) -> tuple[str, list[str]]:
    """Where the values come from, and what must hold for a row."""
    matches = [
        f'{{row}}."{match.column}" {match.operator} v.p{place}'
        for place, match in enumerate(statement.match, first_match)
    ]
    conditions = [match.format(row="t") for match in matches]
    if statement.passes_over_locked:
        return _free_rows(statement, rows(columns), matches), [*conditions, "v.fits"]
    if statement.condition:
        conditions.append(statement.condition.format(row="t"))
    return rows(columns), conditions


def _free_rows(statement: Update, source: str, matches: Sequence[str]) -> str:
    """The rows that match and that nobody else is changing, locked, and whether they fulfil the condition."""
    joined = " AND ".join(match.format(row="l") for match in matches)
    condition = statement.condition.format(row="l") or "true"
    # The offset keeps the condition where it is. Otherwise the partial index that it fits to would be read from end to
    # end, though the match is about a few rows: the server thinks the index is nearly empty when it was yesterday.
    return (
        f"(SELECT v.*, {condition} AS fits FROM {source}\n"
        f"JOIN {_name(statement)} AS l ON {joined}\nOFFSET 0 FOR NO KEY UPDATE OF l SKIP LOCKED) AS v"
    )
