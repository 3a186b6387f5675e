"""Bulk statements of SQLite: one ``VALUES`` list, filled up with null rows to the next power of two so that few texts
need to be compiled.

``executemany`` would be as fast alone, but it lets go of the interpreter lock at every row, and beside a busy event
loop each return costs a switch interval: measured 5 ms per row against 0.3.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from operator import itemgetter

from sqlalchemy import Connection

from floworch.storage.sql.bulk import Delete, Insert, Row, Statement, Update
from floworch.storage.sql.pipe import Order, Unsuited

__all__ = ["delete", "insert", "update"]

_MOST_VALUES = 32_000  # SQLite refuses statements with more than 32,766


def insert(statement: Insert) -> Statement:
    def text(values: str, absent: Collection[str]) -> str:
        verb = "INSERT OR IGNORE" if statement.skip_existing else "INSERT"
        columns = ", ".join(f'"{name}"' for name in statement.columns if name not in absent)
        return (
            f"{verb} INTO {statement.table.name} ({columns})\n"
            f"SELECT * FROM (VALUES {values}) AS v WHERE v.column1 IS NOT NULL"
        )

    return _SqliteStatement(statement.columns, text, statement.rarely)


def update(statement: Update) -> Statement:
    matched = [match.column for match in statement.match]

    def text(values: str, absent: Collection[str]) -> str:
        names = [name for name in statement.columns if name not in absent]
        sets = [f'"{name}" = v.column{place}' for place, name in enumerate(names, 1)]
        nulls = [f'"{name}" = NULL' for name in statement.columns if name in absent]
        conditions = [
            f't."{match.column}" {match.operator} v.column{place}'
            for place, match in enumerate(statement.match, len(names) + 1)
        ]
        if statement.condition:
            conditions.append(statement.condition.format(row="t"))
        return (
            f"UPDATE {statement.table.name} AS t\n"
            f"SET {', '.join((*sets, *nulls, *statement.constants))}\n"
            f"FROM (VALUES {values}) AS v\n"
            f"WHERE {' AND '.join(conditions)}"
        )

    return _SqliteStatement((*statement.columns, *matched), text, statement.rarely)


def delete(statement: Delete) -> Statement:
    names = [match.column for match in statement.match]

    def text(values: str, _absent: Collection[str]) -> str:
        columns = ", ".join(f'"{name}"' for name in names)
        return f"DELETE FROM {statement.table.name}\nWHERE ({columns}) IN (VALUES {values})"

    return _SqliteStatement(names, text)


class _SqliteStatement(Statement):
    """``text`` writes it for a list of values, without the columns that it is given."""

    def __init__(
        self,
        columns: Sequence[str],
        text: Callable[[str, Collection[str]], str],
        rarely: Sequence[str] = (),
    ) -> None:
        often = [place for place, name in enumerate(columns) if name not in rarely]
        self._wide = _Form(len(columns), lambda values: text(values, ()))
        self._narrow = _Form(len(often), lambda values: text(values, rarely))
        self._often = itemgetter(*often)
        self._rare = itemgetter(*map(columns.index, rarely)) if rarely else None
        self._nothing = self._rare and self._rare((None,) * len(columns))

    @property
    def sql(self) -> str:
        return self._wide.text(1)

    def apply(self, connection: Connection, rows: Sequence[Row]) -> int:
        count, most = 0, self._wide.most_rows
        for start in range(0, len(rows), most):
            count += self._apply_chunk(connection, rows[start : start + most])
        return count

    def apply_each(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        # Nearly always all of them do, and one statement tells. RETURNING needs a newer SQLite than some systems have.
        if not rows:
            return []
        with connection.begin_nested() as attempt:
            if self.apply(connection, rows) == len(rows):
                return [True] * len(rows)
            attempt.rollback()
        return [self._apply_chunk(connection, [row]) == 1 for row in rows]

    def order(self, rows: Sequence[Row], *, tells_which: bool = False) -> Order:
        if len(rows) > self._wide.most_rows:
            raise Unsuited
        return self._filled(rows)

    def _apply_chunk(self, connection: Connection, rows: Sequence[Row]) -> int:
        return connection.exec_driver_sql(*self._filled(rows)).rowcount

    def _filled(self, rows: Sequence[Row]) -> Order:
        # Every value costs, also null: it is bound, copied to a temporary table and read from there.
        if self._rare is not None and list(map(self._rare, rows)).count(self._nothing) == len(rows):
            return self._narrow.filled(list(map(self._often, rows)))
        return self._wide.filled(rows)


class _Form:
    """The statement with some of its columns, ``width`` of them."""

    def __init__(self, width: int, render: Callable[[str], str]) -> None:
        self.most_rows = _MOST_VALUES // width
        self._render = render
        self._one_row = f"({', '.join('?' * width)})"
        self._nulls = (None,) * width
        self._texts: dict[int, str] = {}

    def filled(self, rows: Sequence[Row]) -> Order:
        size = min(1 << (len(rows) - 1).bit_length(), self.most_rows)
        filling = self._nulls * (size - len(rows))
        return Order(self.text(size), (*chain.from_iterable(rows), *filling))

    def text(self, rows: int) -> str:
        text = self._texts.get(rows)
        if text is None:
            text = self._texts[rows] = self._render(", ".join([self._one_row] * rows))
        return text
