"""Bulk statements of SQLite on a database in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, create_engine

from floworch.storage.sql.bulk import Insert, Match, Row, Update
from floworch.storage.sql.dialects import sqlite_statements

BOX = Table(
    "box", MetaData(), Column("id", Integer, primary_key=True), Column("owner", Text), *(Column(n, Text) for n in "ab")
)
INSERT = sqlite_statements.insert(Insert(BOX, columns=("id", "a", "owner", "b"), rarely=("a", "b")))
UPDATE = sqlite_statements.update(
    Update(BOX, columns=("a", "owner", "b"), match=(Match("id"),), rarely=("a", "b")),
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        BOX.metadata.create_all(connection)
        yield connection
    engine.dispose()


def boxes(connection: Connection) -> list[Row]:
    return [tuple(row) for row in connection.exec_driver_sql("SELECT id, a, owner, b FROM box ORDER BY id")]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("rare", [None, "x"])
def test_rows_are_written_as_they_are(connection: Connection, count: int, rare: str | None) -> None:
    rows = [(number, None, f"of {number}", rare if number == count else None) for number in range(1, count + 1)]
    assert INSERT.apply(connection, rows) == count
    assert boxes(connection) == rows


def test_no_rows_are_no_statement(connection: Connection) -> None:
    assert INSERT.apply(connection, []) == 0


def test_a_rare_value_that_is_in_no_row_is_taken_from_the_table(connection: Connection) -> None:
    INSERT.apply(connection, [(1, "x", "me", "y"), (2, "x", "me", "y"), (3, "x", "me", "y")])
    assert UPDATE.apply(connection, [(None, "you", None, 1), (None, "you", None, 2)]) == 2
    assert boxes(connection) == [(1, None, "you", None), (2, None, "you", None), (3, "x", "me", "y")]


def test_a_rare_value_in_one_row_is_written_there_only(connection: Connection) -> None:
    INSERT.apply(connection, [(1, "x", "me", None), (2, "x", "me", None)])
    assert UPDATE.apply(connection, [(None, "you", None, 1), ("z", "you", "y", 2)]) == 2
    assert boxes(connection) == [(1, None, "you", None), (2, "z", "you", "y")]


def test_columns_that_are_null_in_all_rows_are_not_sent() -> None:
    narrow, wide = UPDATE.order([(None, "you", None, 1)]), UPDATE.order([("z", "you", None, 1)])
    assert (narrow.parameters, wide.parameters) == (("you", 1), ("z", "you", None, 1))


def test_more_rows_than_one_statement_takes_are_written_by_several(connection: Connection) -> None:
    count = 20_000
    assert INSERT.apply(connection, [(number, None, "me", "y") for number in range(1, count + 1)]) == count
    assert connection.exec_driver_sql("SELECT count(*) FROM box WHERE b = 'y'").scalar() == count
