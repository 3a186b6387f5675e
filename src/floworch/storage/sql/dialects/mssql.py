"""SQL Server: rows come as one JSON array of arrays, read with OPENJSON.

Reads use snapshot isolation, so the database must have ``ALLOW_SNAPSHOT_ISOLATION ON``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    SmallInteger,
    create_engine,
    func,
)

from floworch.core.ports.clock import Clock
from floworch.storage.sql.bulk import Delete, Insert, Row, RowSet, Statement, Update
from floworch.storage.sql.dialects.base import SqlDialect, Trouble
from floworch.storage.sql.dialects.column_types import LEASE_COLUMN, ColumnTypes
from floworch.storage.sql.tables import Tables, build_tables
from floworch.storage.sql.types import Document, Id, Instant, Word

__all__ = ["MssqlDialect"]

_BINARY = "COLLATE Latin1_General_100_BIN2"
_TYPES = ColumnTypes(
    {
        Id: f"CHAR(36) {_BINARY}",
        Instant: "DATETIMEOFFSET(6)",
        Word: f"NVARCHAR({{length}}) {_BINARY}",
        Document: "NVARCHAR(MAX)",
        SmallInteger: "SMALLINT",
        BigInteger: "BIGINT",
        Integer: "INT",
    },
    lease_seconds="FLOAT",
)
_RETRY = frozenset({1205, 1222, 3960})  # deadlock, lock time-out, snapshot conflict


class MssqlDialect(SqlDialect):
    name: ClassVar[str] = "mssql"

    def __init__(self, *, schema: str = "floworch") -> None:
        self._schema = schema

    def connect(self, url: URL, connections: int) -> Engine:
        # Among the parameters are payloads, and errors are logged.
        return create_engine(url, pool_size=connections, max_overflow=0, hide_parameters=True)

    def tables(self) -> Tables:
        return build_tables(self.name, schema=self._schema)

    def begin_write(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def begin_read(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SNAPSHOT")

    def lock_schema(self, connection: Connection) -> None:
        connection.exec_driver_sql(
            "EXEC sp_getapplock @Resource = 'floworch.migrate', @LockMode = 'Exclusive', @LockOwner = 'Transaction'"
        )

    def diagnose(self, error: BaseException, target: str) -> tuple[Trouble, str]:
        text = str(error)
        if any(f"({code})" in text for code in _RETRY):
            return Trouble.RETRY, f"{target}: transactions keep getting in each other's way ({text})"
        # The first argument of an ODBC error is its SQLSTATE.
        state = str(error.args[0]) if error.args else ""
        if state.startswith(("08", "28", "HYT", "IM")):
            return Trouble.UNAVAILABLE, f"{target} cannot be used: {text}"
        return Trouble.OTHER, f"{target}: {text}"

    def instant(self, at: datetime) -> str:
        return at.isoformat()

    def lease(self, seconds: float, now: datetime) -> float:
        return seconds

    def lease_clock(self, clock: Clock) -> ColumnElement[Any]:
        return func.sysdatetimeoffset()

    def insert(self, statement: Insert) -> Statement:
        columns = statement.columns_of(statement.columns)
        names = ", ".join(f"[{name}]" for name in statement.columns)
        values = ", ".join(_value(column, place) for place, column in enumerate(columns))
        tail = f"\nWHERE {_is_absent(statement)}" if statement.skip_existing else ""
        return _MssqlStatement(
            f"INSERT INTO {_name(statement)} ({names})\nSELECT {values}\nFROM {_open_json(columns)}{tail}"
        )

    def update(self, statement: Update) -> Statement:
        columns = statement.columns_of((*statement.columns, *(match.column for match in statement.match)))
        sets = [f"[{column.name}] = {_value(column, place)}" for place, column in enumerate(columns)]
        del sets[len(statement.columns) :]
        conditions = [
            f"t.[{match.column}] {match.operator} v.p{place}"
            for place, match in enumerate(statement.match, len(statement.columns))
        ]
        if statement.condition:
            conditions.append(statement.condition.format(row="t"))
        head = f"UPDATE t\nSET {', '.join((*sets, *statement.constants))}"
        hint = " WITH (UPDLOCK, READPAST, ROWLOCK)" if statement.passes_over_locked else ""
        tail = f"\nFROM {_name(statement)} AS t{hint}, {_open_json(columns)}\nWHERE {' AND '.join(conditions)}"
        return _MssqlStatement(head + tail, f"{head}\nOUTPUT v.place{tail}")

    def delete(self, statement: Delete) -> Statement:
        columns = statement.columns_of([match.column for match in statement.match])
        conditions = [f"t.[{match.column}] = v.p{place}" for place, match in enumerate(statement.match)]
        return _MssqlStatement(
            f"DELETE t\nFROM {_name(statement)} AS t, {_open_json(columns)}\nWHERE {' AND '.join(conditions)}"
        )


class _MssqlStatement(Statement):
    def __init__(self, text: str, text_that_tells_which: str = "") -> None:
        self._text = text
        self._text_that_tells_which = text_that_tells_which

    @property
    def sql(self) -> str:
        return self._text

    def apply(self, connection: Connection, rows: Sequence[Row]) -> int:
        return connection.exec_driver_sql(self._text, (_json(rows),)).rowcount if rows else 0

    def apply_each(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        if not rows:
            return []
        written = connection.exec_driver_sql(self._text_that_tells_which, (_json(rows),)).scalars().all()
        return [place in set(written) for place in range(len(rows))]


def _name(statement: RowSet) -> str:
    return f"[{statement.table.schema}].[{statement.table.name}]"


def _open_json(columns: Sequence[Column[Any]]) -> str:
    fields = ", ".join(f"p{place} {_TYPES.of(column)} '$[{place + 1}]'" for place, column in enumerate(columns))
    return f"OPENJSON(?) WITH (place INT '$[0]', {fields}) AS v"


def _value(column: Column[Any], place: int) -> str:
    if column.name == LEASE_COLUMN:
        return f"DATEADD(millisecond, CAST(v.p{place} * 1000 AS INT), SYSDATETIMEOFFSET())"
    return f"v.p{place}"


def _is_absent(statement: Insert) -> str:
    # The range lock stays until the commit; without it two transactions could both find nothing.
    keys = " AND ".join(
        f"x.[{column.name}] = v.p{statement.columns.index(column.name)}" for column in statement.table.primary_key
    )
    return f"NOT EXISTS (SELECT 1 FROM {_name(statement)} AS x WITH (UPDLOCK, HOLDLOCK) WHERE {keys})"


def _json(rows: Sequence[Row]) -> str:
    return json.dumps([(place, *row) for place, row in enumerate(rows)], ensure_ascii=False)
