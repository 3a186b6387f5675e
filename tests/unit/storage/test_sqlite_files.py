"""Files that are not what SQLite needs: refused with the reason, and nothing half written."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from floworch.core.model.payload import Payload
from floworch.core.ports.storage import Batch
from floworch.errors import ConfigurationError, StorageError, StorageUnavailable
from floworch.storage.sql import SqlStorage
from tests.contracts.storage.builders import create, creation, run_id


def files_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def open_files() -> list[str]:
    folder = Path("/proc/self/fd")
    links = list(folder.iterdir()) if folder.is_dir() else []
    return [os.readlink(link) for link in links if link.is_symlink()]


async def made(path: Path) -> Path:
    store = SqlStorage.sqlite(path)
    await store.open()
    await create(store)
    await store.close()
    return path


async def refusal(store: SqlStorage) -> str:
    with pytest.raises(StorageUnavailable) as caught:
        await store.open()
    return str(caught.value)


async def test_a_file_from_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO floworch_migration VALUES (99, 'future', 0)")
    connection.close()
    message = await refusal(SqlStorage.sqlite(path))
    assert "schema version 99" in message
    assert "Upgrade floworch" in message
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT max(version) FROM floworch_migration").fetchone() == (99,)
    connection.close()


async def test_a_file_that_is_not_a_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    message = await refusal(SqlStorage.sqlite(path))
    assert "is not a SQLite database" in message
    assert str(path) in message
    assert path.read_text().startswith("Dear Sir")


async def test_a_read_only_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    sqlite3.connect(path).close()
    assert "read-only" in await refusal(SqlStorage(f"sqlite:///file:{path}?mode=ro&uri=true"))


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    message = await refusal(SqlStorage.sqlite(tmp_path / "no" / "such" / "x.db"))
    assert "Check that its folder exists" in message


async def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert "cannot be opened" in await refusal(SqlStorage.sqlite(tmp_path))


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)
    assert "is damaged" in await refusal(SqlStorage.sqlite(path))


async def test_a_full_disk_is_reported_and_what_was_committed_stays(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    pages = path.stat().st_size // 4096
    store = SqlStorage.sqlite(path, pragmas={"max_page_count": pages + 20})
    await store.open()
    big = Payload(f'"{"x" * 500_000}"')
    with pytest.raises(StorageUnavailable, match="disk or its quota is full"):
        await store.commit(Batch(creations=[creation(2), creation(3, body=big)]))
    assert set(await store.load([run_id(n) for n in (1, 2, 3)])) == {run_id(1)}
    assert await create(store, creation(4)) == [run_id(4)]
    await store.close()


async def test_an_old_schema_is_refused_when_migration_is_off(tmp_path: Path) -> None:
    message = await refusal(SqlStorage.sqlite(tmp_path / "x.db", auto_migrate=False))
    assert "floworch migrate" in message


async def test_a_migrated_file_opens_when_migration_is_off(tmp_path: Path) -> None:
    store = SqlStorage.sqlite(await made(tmp_path / "x.db"), auto_migrate=False)
    await store.open()
    assert len(await store.load([run_id(1)])) == 1
    await store.close()


async def test_a_file_that_another_program_keeps_locked_is_reported(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = SqlStorage.sqlite(path, busy_timeout_seconds=0.01, retry_seconds=0.05)
    await store.open()
    with pytest.raises(StorageUnavailable, match="is locked"):
        await create(store, creation(2))
    other.execute("ROLLBACK")
    other.close()
    assert await create(store, creation(2)) == [run_id(2)]
    await store.close()


async def test_a_write_waits_for_another_program_to_finish(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = SqlStorage.sqlite(path, busy_timeout_seconds=0.01)
    await store.open()
    write = asyncio.create_task(create(store, creation(2)))
    assert len(await store.load([run_id(1)])) == 1, "reads go on while the file is locked for writing"
    assert not write.done()
    other.execute("ROLLBACK")
    other.close()
    assert await write == [run_id(2)]
    await store.close()


async def test_an_application_may_keep_its_own_tables_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE run (x)")
    connection.execute("CREATE TABLE step (x)")
    connection.close()
    await made(path)


async def test_closing_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("floworch-sql")] == []
    assert files_in(tmp_path) == [path.name]
    assert str(path) not in open_files()


async def test_a_refused_file_leaves_no_thread(tmp_path: Path) -> None:
    await refusal(SqlStorage.sqlite(tmp_path))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("floworch-sql")] == []


async def test_opening_twice_is_an_error_of_the_caller(tmp_path: Path) -> None:
    store = SqlStorage.sqlite(tmp_path / "x.db")
    await store.open()
    with pytest.raises(ConfigurationError, match="opened before"):
        await store.open()
    await store.close()


async def test_a_store_that_was_never_opened_says_so(tmp_path: Path) -> None:
    store = SqlStorage.sqlite(tmp_path / "x.db")
    with pytest.raises(StorageUnavailable, match=r"call open\(\) first"):
        await store.load([])
    await store.close()


def test_making_a_store_touches_nothing(tmp_path: Path) -> None:
    SqlStorage.sqlite(tmp_path / "x.db")
    assert list(tmp_path.iterdir()) == []


async def test_a_run_that_exists_is_not_created_again(tmp_path: Path) -> None:
    store = SqlStorage.sqlite(tmp_path / "x.db")
    await store.open()
    await create(store)
    with pytest.raises(StorageError, match="UNIQUE"):
        await create(store, creation(2), creation(1))
    assert await store.load([run_id(2)]) == {}
    await store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("oracle+oracledb://x", "no SQL storage for 'oracle'"),
        ("not a url", "cannot be read"),
    ],
)
def test_urls_that_cannot_work_are_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SqlStorage(url)


async def test_a_commit_waits_for_the_lock_of_another_process_and_not_on_the_event_loop(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    store = SqlStorage.sqlite(path)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    commit = asyncio.create_task(create(store, creation(2)))
    done, _ = await asyncio.wait({commit}, timeout=0.05)
    assert not done
    other.execute("ROLLBACK")
    other.close()
    assert await commit == [run_id(2)]
    await store.close()


async def test_a_file_named_by_a_uri_is_the_one_that_commits_go_to(tmp_path: Path) -> None:
    path = await made(tmp_path / "x.db")
    store = SqlStorage(f"sqlite:///file:{path}?uri=true")
    await store.open()
    await create(store, creation(2))
    assert len(await store.load([run_id(1), run_id(2)])) == 2
    await store.close()


def test_a_misspelt_durability_is_refused_and_not_taken_for_a_lower_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="synchronous is 'FULLL'; it must be one of OFF, NORMAL, FULL, EXTRA"):
        SqlStorage.sqlite(tmp_path / "flows.db", synchronous="FULLL")
