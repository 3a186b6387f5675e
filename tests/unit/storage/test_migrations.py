"""Migration files, against the tables that the code uses."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

import pytest

from floworch.storage.sql import SqlStorage
from floworch.storage.sql.migrations.files import load_migrations
from tests.unit.storage.schema import DIALECTS, create_script


@pytest.mark.parametrize("name", DIALECTS)
def test_the_first_migration_makes_the_tables_that_the_code_uses(name: str, update_golden: bool) -> None:
    """Until the first release; then the file stays as it is and this test gives way to one that applies all of them."""
    if update_golden:
        file = files("floworch.storage.sql.migrations").joinpath(name, "0001_initial.sql")
        Path(str(file)).write_text(create_script(name), encoding="utf-8")
    [first] = load_migrations(name)
    assert first.text == create_script(name)


@pytest.mark.parametrize("name", DIALECTS)
def test_versions_have_no_gaps(name: str) -> None:
    versions = [migration.version for migration in load_migrations(name)]
    assert versions == list(range(1, len(versions) + 1))


def test_all_databases_have_the_same_migrations() -> None:
    named = [[(m.version, m.name) for m in load_migrations(name)] for name in DIALECTS]
    assert named[0] == named[1] == named[2]


async def test_the_script_for_people_makes_what_migrating_makes(tmp_path: Path) -> None:
    migrated = SqlStorage.sqlite(tmp_path / "migrated.db")
    await migrated.open()
    await migrated.close()
    by_hand = sqlite3.connect(tmp_path / "by_hand.db")
    by_hand.executescript(migrated.schema.script())
    by_hand.close()
    assert schema_of(tmp_path / "by_hand.db") == schema_of(tmp_path / "migrated.db")
    store = SqlStorage.sqlite(tmp_path / "by_hand.db", auto_migrate=False)
    await store.open()
    await store.close()


async def test_migrating_again_does_nothing(tmp_path: Path) -> None:
    store = SqlStorage.sqlite(tmp_path / "x.db")
    await store.open()
    assert await store.schema.migrate() == []
    await store.close()


async def test_the_schema_is_looked_after_without_opening_the_store(tmp_path: Path) -> None:
    store = SqlStorage.sqlite(tmp_path / "x.db", auto_migrate=False)
    newest = len(load_migrations("sqlite"))
    assert (await store.schema.versions()).present == 0
    assert await store.schema.migrate() == list(range(1, newest + 1))
    assert (await store.schema.versions()).is_current
    await store.open()
    await store.close()


async def test_asking_for_the_version_makes_no_file(tmp_path: Path) -> None:
    assert not (await SqlStorage.sqlite(tmp_path / "x.db").schema.versions()).is_current
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://u:secret@h/d", 'THEN CREATE SCHEMA "floworch";'),
        ("mssql+pyodbc://u:secret@h/d", "CREATE TABLE [floworch].run ("),
    ],
)
def test_scripts_are_written_without_a_server(url: str, expected: str) -> None:
    script = SqlStorage(url).schema.script()
    assert expected in script
    assert "{schema}" not in script
    assert "INSERT INTO" in script


def test_a_script_may_begin_after_a_version() -> None:
    assert SqlStorage.sqlite("x.db").schema.script(after_version=1).strip() == ""


def schema_of(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return found
