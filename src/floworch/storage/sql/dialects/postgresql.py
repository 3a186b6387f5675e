"""PostgreSQL: rows come as one array per column, so a statement's text does not depend on their number.

Arrays are written as literals here: that costs a tenth of what the driver's own list adaptation does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    literal,
)

from floworch.core.ports.clock import Clock
from floworch.storage.sql.bulk import Delete, Insert, Row, RowSet, Statement, Update
from floworch.storage.sql.dialects.base import SqlDialect, Trouble
from floworch.storage.sql.dialects.column_types import LEASE_COLUMN, ColumnTypes
from floworch.storage.sql.dialects.postgresql_listener import PostgresqlListener, call
from floworch.storage.sql.listener import Listener
from floworch.storage.sql.tables import Tables, build_tables
from floworch.storage.sql.types import Document, Id, Instant, Word

__all__ = ["PostgresqlDialect"]

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
_RETRY = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock not available
_UNAVAILABLE_CLASSES = ("08", "28", "3D", "42501", "53", "57P")
_MIGRATION_LOCK = 0x666C6F776F726368 >> 1


class PostgresqlDialect(SqlDialect):
    name: ClassVar[str] = "postgresql"

    def __init__(
        self, *, schema: str = "floworch", listens: bool = True, leases_on_database_clock: bool = True
    ) -> None:
        """``listens=False`` is for poolers that hand out a connection per transaction.

        ``leases_on_database_clock=False`` is for tests that move a clock of their own.
        """
        self._schema = schema
        self._listens = listens
        self._leases_on_database_clock = leases_on_database_clock
        self._lease_origin = "clock_timestamp()" if leases_on_database_clock else "to_timestamp(0)"

    def connect(self, url: URL) -> Engine:
        return create_engine(url, pool_size=self.writer_threads + self.reader_threads, max_overflow=0)

    def tables(self) -> Tables:
        return build_tables(schema=self._schema)

    def begin_write(self, connection: Connection) -> None:
        """Nothing to say: the driver begins, and "read committed" sees what the locks waited for."""

    def begin_read(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    def lock_schema(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")

    @property
    def asking_options(self) -> Mapping[str, Any]:
        # Spares the round trips of BEGIN and COMMIT.
        return {"isolation_level": "AUTOCOMMIT"}

    def call(self, connection: Connection, caller: str) -> None:
        call(connection, self._channel, caller)

    def listen(self, url: URL, owner: str, wake: Callable[[], None]) -> Listener | None:
        return PostgresqlListener(url, self._channel, owner, wake) if self._listens else None

    @property
    def _channel(self) -> str:
        return f"{self._schema}_work"

    def diagnose(self, error: BaseException, target: str) -> tuple[Trouble, str]:
        state = getattr(error, "sqlstate", None)
        if state in _RETRY:
            return Trouble.RETRY, f"{target}: transactions keep getting in each other's way ({error})"
        if state is None or state.startswith(_UNAVAILABLE_CLASSES):
            return Trouble.UNAVAILABLE, f"{target} cannot be used: {error}"
        return Trouble.OTHER, f"{target}: {error}"

    def instant(self, at: datetime) -> str:
        return at.isoformat()

    def lease(self, seconds: float, now: datetime) -> float:
        """Seconds after the lease origin."""
        return seconds if self._leases_on_database_clock else now.timestamp() + seconds

    def lease_clock(self, clock: Clock) -> ColumnElement[Any]:
        # Stable within a statement: an index serves only comparisons with such values.
        return func.statement_timestamp() if self._leases_on_database_clock else literal(clock.now(), Instant)

    def insert(self, statement: Insert) -> Statement:
        columns = statement.columns_of(statement.columns)
        names = ", ".join(f'"{name}"' for name in statement.columns)
        tail = "\nON CONFLICT DO NOTHING" if statement.skip_existing else ""
        return _PostgresqlStatement(
            f"INSERT INTO {_name(statement)} ({names})\nSELECT {self._values(columns)}\nFROM {_unnest(columns)}{tail}",
            "",
        )

    def update(self, statement: Update) -> Statement:
        columns = statement.columns_of((*statement.columns, *(match.column for match in statement.match)))
        values = [self._value(column, place) for place, column in enumerate(columns)]
        sets = [f'"{name}" = {value}' for name, value in zip(statement.columns, values, strict=False)]
        conditions = [
            f't."{match.column}" {match.operator} v.p{place}'
            for place, match in enumerate(statement.match, len(statement.columns))
        ]
        if statement.condition:
            conditions.append(statement.condition.format(row="t"))
        source = _free_rows(statement, columns) if statement.passes_over_locked else _unnest(columns)
        return _PostgresqlStatement(
            f"UPDATE {_name(statement)} AS t\nSET {', '.join((*sets, *statement.constants))}\n"
            f"FROM {source}\nWHERE {' AND '.join(conditions)}",
            "\nRETURNING v.place",
        )

    def delete(self, statement: Delete) -> Statement:
        columns = statement.columns_of([match.column for match in statement.match])
        conditions = [f't."{match.column}" = v.p{place}' for place, match in enumerate(statement.match)]
        return _PostgresqlStatement(
            f"DELETE FROM {_name(statement)} AS t\nUSING {_unnest(columns)}\nWHERE {' AND '.join(conditions)}", ""
        )

    def _values(self, columns: Sequence[Column[Any]]) -> str:
        return ", ".join(self._value(column, place) for place, column in enumerate(columns))

    def _value(self, column: Column[Any], place: int) -> str:
        if column.name == LEASE_COLUMN:
            return f"{self._lease_origin} + v.p{place} * interval '1 second'"
        return f"v.p{place}"


class _PostgresqlStatement(Statement):
    def __init__(self, text: str, tell_which: str) -> None:
        self._text = text
        self._tell_which = tell_which

    @property
    def sql(self) -> str:
        return self._text

    def apply(self, connection: Connection, rows: Sequence[Row]) -> int:
        return connection.exec_driver_sql(self._text, _arrays(rows)).rowcount if rows else 0

    def apply_each(self, connection: Connection, rows: Sequence[Row]) -> list[bool]:
        if not rows:
            return []
        written = connection.exec_driver_sql(self._text + self._tell_which, _arrays(rows)).scalars().all()
        return [place in set(written) for place in range(1, len(rows) + 1)]


def _name(statement: RowSet) -> str:
    return f'"{statement.table.schema}"."{statement.table.name}"'


def _unnest(columns: Sequence[Column[Any]]) -> str:
    arrays = ", ".join(f"%s::{_TYPES.of(column)}[]" for column in columns)
    names = ", ".join(f"p{place}" for place in range(len(columns)))
    return f"unnest({arrays}) WITH ORDINALITY AS v ({names}, place)"


def _free_rows(statement: Update, columns: Sequence[Column[Any]]) -> str:
    """The rows that match and that nobody else is changing, locked."""
    matches = " AND ".join(
        f'l."{match.column}" {match.operator} v.p{place}'
        for place, match in enumerate(statement.match, len(statement.columns))
    )
    return (
        f"(SELECT v.* FROM {_unnest(columns)}\n"
        f"JOIN {_name(statement)} AS l ON {matches}\nFOR NO KEY UPDATE OF l SKIP LOCKED) AS v"
    )


def _arrays(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(map(_array, zip(*rows, strict=True)))


def _array(values: Iterable[Any]) -> str:
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
