"""SQLite: one writer at a time, no clock of its own, no types for ids and instants.

A bulk statement takes its rows as one ``VALUES`` list, filled up with null rows to the next power of two so that few
texts need to be compiled. ``executemany`` would be as fast alone, but it lets go of the interpreter lock at every row,
and beside a busy event loop each return costs a switch interval: measured 5 ms per row against 0.3.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import URL, ColumnElement, Connection, Engine, QueuePool, create_engine, event, literal

from floworch.core.ports.clock import Clock
from floworch.errors import ConfigurationError, StorageUnavailable
from floworch.storage.sql.bulk import Delete, Insert, Row, Statement, Update
from floworch.storage.sql.dialects.base import SqlDialect, Trouble
from floworch.storage.sql.dialects.sqlite_errors import diagnose
from floworch.storage.sql.dialects.sqlite_pipe import SqlitePipes
from floworch.storage.sql.pipe import Order, Pipes, Unsuited
from floworch.storage.sql.tables import Tables, build_tables
from floworch.storage.sql.types import Instant, to_micros

__all__ = ["SqliteDialect"]

_OLDEST = (3, 33)  # the first with UPDATE … FROM
_MOST_VALUES = 32_000  # SQLite refuses statements with more than 32,766
_PREFIX = "floworch_"
_KNOCK_MILLISECONDS = 100
_ARGUMENTS: Mapping[str, Any] = {"isolation_level": None, "check_same_thread": False, "cached_statements": 512}
_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")


class SqliteDialect(SqlDialect):
    name: ClassVar[str] = "sqlite"
    handler_connections = 1  # only one can write; the others wait in order instead of knocking

    def __init__(
        self,
        *,
        synchronous: str = "FULL",
        busy_timeout_seconds: float = 5.0,
        pragmas: Mapping[str, str | int] | None = None,
        commits_on_loop: bool = True,
    ) -> None:
        """``commits_on_loop=False`` is for tests of what commits do that get in each other's way.

        Raises ConfigurationError for a word that SQLite would silently take for ``NORMAL``.
        """
        if synchronous.upper() not in _SYNCHRONOUS:
            raise ConfigurationError(f"synchronous is {synchronous!r}; it must be one of {', '.join(_SYNCHRONOUS)}")
        self._commits_on_loop = commits_on_loop
        self._pragmas: dict[str, str | int] = {
            "busy_timeout": int(busy_timeout_seconds * 1000),
            "journal_mode": "WAL",
            "synchronous": synchronous,
            "foreign_keys": "ON",
            "cache_size": -16_000,
            "temp_store": "MEMORY",
            **(pragmas or {}),
        }

    def check_url(self, url: URL) -> None:
        if url.database in (None, "", ":memory:"):
            raise ConfigurationError(
                f"{url.render_as_string()!r} is a SQLite database in memory, which is lost when a connection closes. "
                "Give the path of a file, or use the in-memory storage."
            )

    def connect(self, url: URL, connections: int) -> Engine:
        _check_version()
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            hide_parameters=True,  # among them are payloads, and errors are logged
            connect_args=dict(_ARGUMENTS),
        )
        event.listen(engine, "connect", self._set_up)
        return engine

    def pipes(self, url: URL) -> Pipes | None:
        if not self._commits_on_loop:
            return None
        return SqlitePipes(partial(self._connect_pipe, url))

    def tables(self) -> Tables:
        return build_tables(prefix=_PREFIX)

    def begin_write(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def begin_for_handler(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_KNOCK_MILLISECONDS}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def interrupt(self, driver_connection: Any) -> None:
        driver_connection.interrupt()

    def join(self, connection: Connection, url: URL) -> None:
        files = [row[2] for row in connection.exec_driver_sql("PRAGMA database_list") if row[1] == "main"]
        if not (files and files[0] and Path(files[0]).samefile(url.database or "")):
            raise ConfigurationError(
                f"The connection belongs to the SQLite database {files and files[0]!r}, but this orchestrator keeps "
                f"its runs in {url.database!r}. Pass a connection to that file."
            )
        _require_transaction(connection)

    def advice_to_caller(self, error: BaseException | None) -> str | None:
        if "no such table" not in str(error):
            return None
        return f"The database of the connection has no tables of floworch ({error}). Pass one to that which has."

    def begin_read(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    def lock_schema(self, connection: Connection) -> None:
        """Nothing to do: an immediate transaction already holds the only write lock."""

    def diagnose(self, error: BaseException, target: str) -> tuple[Trouble, str]:
        return diagnose(error, target)

    def instant(self, at: datetime) -> int:
        return to_micros(at)

    def lease(self, seconds: float, now: datetime) -> int:
        return to_micros(now + timedelta(seconds=seconds))

    def lease_clock(self, clock: Clock) -> ColumnElement[Any]:
        return literal(clock.now(), Instant)

    def insert(self, statement: Insert) -> Statement:
        return _SqliteStatement(partial(_insert_sql, statement), len(statement.columns))

    def update(self, statement: Update) -> Statement:
        return _SqliteStatement(partial(_update_sql, statement), len(statement.columns) + len(statement.match))

    def delete(self, statement: Delete) -> Statement:
        return _SqliteStatement(partial(_delete_sql, statement), len(statement.match))

    def _connect_pipe(self, url: URL) -> sqlite3.Connection:
        dialect: Any = url.get_dialect()()
        place, options = dialect.create_connect_args(url)
        connection: sqlite3.Connection = sqlite3.connect(*place, **{**options, **_ARGUMENTS})
        self._set_up(connection, None)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def _set_up(self, connection: sqlite3.Connection, _record: object) -> None:
        for name, value in self._pragmas.items():
            connection.execute(f"PRAGMA {name} = {value}").close()


class _SqliteStatement(Statement):
    def __init__(self, render: Callable[[str], str], width: int) -> None:
        self._render = render
        self._one_row = f"({', '.join('?' * width)})"
        self._nulls = (None,) * width
        self._most_rows = _MOST_VALUES // width
        self._texts: dict[int, str] = {}

    @property
    def sql(self) -> str:
        return self._text(1)

    def apply(self, connection: Connection, rows: Sequence[Row]) -> int:
        count = 0
        for start in range(0, len(rows), self._most_rows):
            count += self._apply_chunk(connection, rows[start : start + self._most_rows])
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
        if len(rows) > self._most_rows:
            raise Unsuited
        return Order(*self._filled(rows))

    def _apply_chunk(self, connection: Connection, rows: Sequence[Row]) -> int:
        text, values = self._filled(rows)
        return connection.exec_driver_sql(text, values).rowcount

    def _filled(self, rows: Sequence[Row]) -> tuple[str, tuple[Any, ...]]:
        size = min(1 << (len(rows) - 1).bit_length(), self._most_rows)
        values = [value for row in rows for value in row]
        values.extend(self._nulls * (size - len(rows)))
        return self._text(size), tuple(values)

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            text = self._texts[size] = self._render(", ".join([self._one_row] * size))
        return text


def _insert_sql(statement: Insert, values: str) -> str:
    verb = "INSERT OR IGNORE" if statement.skip_existing else "INSERT"
    columns = ", ".join(f'"{name}"' for name in statement.columns)
    return (
        f"{verb} INTO {statement.table.name} ({columns})\n"
        f"SELECT * FROM (VALUES {values}) AS v WHERE v.column1 IS NOT NULL"
    )


def _update_sql(statement: Update, values: str) -> str:
    sets = [f'"{name}" = v.column{place}' for place, name in enumerate(statement.columns, 1)]
    conditions = [
        f't."{match.column}" {match.operator} v.column{place}'
        for place, match in enumerate(statement.match, len(statement.columns) + 1)
    ]
    if statement.condition:
        conditions.append(statement.condition.format(row="t"))
    return (
        f"UPDATE {statement.table.name} AS t\n"
        f"SET {', '.join((*sets, *statement.constants))}\n"
        f"FROM (VALUES {values}) AS v\n"
        f"WHERE {' AND '.join(conditions)}"
    )


def _delete_sql(statement: Delete, values: str) -> str:
    columns = ", ".join(f'"{match.column}"' for match in statement.match)
    return f"DELETE FROM {statement.table.name}\nWHERE ({columns}) IN (VALUES {values})"


def _require_transaction(connection: Connection) -> None:
    driver_connection: Any = connection.connection.driver_connection
    if driver_connection.in_transaction:
        return
    if driver_connection.isolation_level is None:
        raise ConfigurationError(
            "The connection commits every statement at once (autocommit), so there is no transaction to start the run "
            "in. Use one without isolation_level='AUTOCOMMIT', inside 'with connection.begin()'."
        )
    # The driver begins by itself, but only before it writes rows: a savepoint would be the whole transaction.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_version() -> None:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StorageUnavailable(
            f"SQLite {sqlite3.sqlite_version} is too old: floworch needs {'.'.join(map(str, _OLDEST))} or newer. "
            "Use a Python that was built with a newer SQLite."
        )
