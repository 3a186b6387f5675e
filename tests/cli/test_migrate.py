"""``floworch migrate``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.commands import IN_MEMORY, SHARED, call


def test_the_schema_is_made_and_the_second_time_there_is_nothing_to_do(empty_folder: Path) -> None:
    first = call("migrate", SHARED, "--json").document
    second = call("migrate", SHARED, "--json").document

    assert first["present"] == first["newest"] == len(first["applied"])
    assert second == {**first, "applied": []}
    assert str(empty_folder) in first["location"]


def test_the_status_tells_what_is_missing_and_makes_no_file(empty_folder: Path) -> None:
    before = call("migrate", SHARED, "--status")
    left_behind = list(empty_folder.glob("*.db*"))
    call("migrate", SHARED)
    after = call("migrate", SHARED, "--status")

    assert before.code == 1
    assert "there is no schema yet" in before.out
    assert left_behind == []
    assert after.code == 0
    assert "up to date" in after.out


def test_the_sql_makes_the_same_schema(empty_folder: Path) -> None:
    script = call("migrate", SHARED, "--sql")
    call("migrate", SHARED)
    with closing(sqlite3.connect(empty_folder / "by-hand.db")) as by_hand:
        by_hand.executescript(script.out)
        made_by_hand = _names(by_hand)
    with closing(sqlite3.connect(empty_folder / "orders.db")) as migrated:
        assert made_by_hand == _names(migrated)
    assert "floworch_run" in made_by_hand


def test_the_sql_after_the_newest_version_is_empty() -> None:
    newest = call("migrate", SHARED, "--json").document["newest"]

    assert call("migrate", SHARED, "--sql", "--after", str(newest)).out.strip() == ""


def test_a_storage_without_a_schema_is_refused() -> None:
    answer = call("migrate", IN_MEMORY)

    assert answer.code == 2
    assert "nothing to migrate" in answer.err


def test_a_file_of_another_kind_exits_with_5(empty_folder: Path) -> None:
    (empty_folder / "orders.db").write_text(
        "not a database, though long enough to look like one" * 50, encoding="utf-8"
    )

    answer = call("migrate", SHARED)

    assert answer.code == 5
    assert "is not a SQLite database" in answer.err


def test_a_schema_from_the_future_exits_with_5(empty_folder: Path) -> None:
    call("migrate", SHARED)
    with closing(sqlite3.connect(empty_folder / "orders.db")) as database:
        database.execute("INSERT INTO floworch_migration (version, name, applied_at) VALUES (9999, 'future', 0)")
        database.commit()

    for command in ("migrate", "runs"):
        answer = call(command, SHARED)
        assert answer.code == 5
        assert "Upgrade floworch" in answer.err


def _names(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
