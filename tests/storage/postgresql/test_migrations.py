"""The schema comes into being once, whoever makes it."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from floworch.errors import StorageUnavailable
from floworch.storage.sql import SqlStorage
from tests.contracts.storage.builders import claim, commit_claim, create, run_id
from tests.servers.postgresql import find_programs
from tests.storage.postgresql.databases import PASSWORD, conninfo, new_role, opened, schema_of, until

STARTERS = 10
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "postgresql-dba.md"


async def test_stores_that_open_at_once_migrate_once(admin: psycopg.Connection, database: URL) -> None:
    stores = [SqlStorage.postgresql(database) for _ in range(STARTERS)]
    try:
        await asyncio.gather(*(store.open() for store in stores))
        assert [len(await store.list_flows()) for store in stores] == [0] * STARTERS
    finally:
        await asyncio.gather(*(store.close() for store in stores))
    versions = admin.execute("SELECT version FROM floworch.migration ORDER BY version").fetchall()
    newest = (await SqlStorage.postgresql(database).schema.versions()).newest
    assert versions == [(version,) for version in range(1, newest + 1)]


async def test_of_many_that_migrate_at_once_one_does_the_work(database: URL) -> None:
    stores = [SqlStorage.postgresql(database, pool_size=3) for _ in range(STARTERS)]
    applied = await asyncio.gather(*(store.schema.migrate() for store in stores))
    assert sorted(map(bool, applied)) == [False] * (STARTERS - 1) + [True]


async def test_a_store_waits_for_another_process_that_migrates_however_long_that_takes(
    admin: psycopg.Connection, database: URL
) -> None:
    """Longer than a statement may run and a lock may be waited for otherwise."""
    lock = "SELECT pg_advisory_lock(%s)"
    [[key]] = admin.execute("SELECT x'666C6F776F726368'::bigint >> 1").fetchall()
    admin.execute(lock, [key])
    store = SqlStorage.postgresql(database, statement_timeout_seconds=0.1, lock_timeout_seconds=0.1, retry_seconds=0.0)
    opening = asyncio.create_task(store.open())
    await until(admin, WAITING)
    assert not opening.done()
    admin.execute("SELECT pg_advisory_unlock(%s)", [key])
    await opening
    await store.close()


WAITING = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
    AND clock_timestamp() - state_change > interval '300 ms'
)
"""


def test_the_script_run_by_psql_makes_what_migrating_makes(
    server: URL, admin: psycopg.Connection, database: URL
) -> None:
    programs = find_programs()
    psql = None if programs is None else programs / "psql"
    if psql is None or not psql.exists():
        pytest.skip("there is no psql among the PostgreSQL programs")
    script = SqlStorage.postgresql(database).schema.script()
    command = [str(psql), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", conninfo(database)]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    by_script = schema_of(admin)
    admin.execute("DROP SCHEMA floworch CASCADE")
    asyncio.run(_migrate(database))
    assert by_script == schema_of(admin)


async def test_the_script_makes_what_migrating_makes(admin: psycopg.Connection, database: URL) -> None:
    admin.execute(SqlStorage.postgresql(database).schema.script().encode())
    by_script = schema_of(admin)
    assert len(by_script) > 50
    async with opened(database, auto_migrate=False):
        pass
    admin.execute("DROP SCHEMA floworch CASCADE")
    await _migrate(database)
    assert by_script == schema_of(admin)


async def test_a_script_that_is_run_twice_is_refused_as_a_whole(admin: psycopg.Connection, database: URL) -> None:
    script = SqlStorage.postgresql(database).schema.script()
    admin.execute(script.encode())
    before = schema_of(admin)
    with pytest.raises(psycopg.errors.DuplicateTable):
        admin.execute(script.encode())
    admin.execute("ROLLBACK")
    assert schema_of(admin) == before


async def test_a_role_may_migrate_the_schema_that_a_dba_has_made_for_it(
    admin: psycopg.Connection, database: URL
) -> None:
    role = new_role(admin, database)
    admin.execute(sql_of_page("CREATE SCHEMA", role))
    async with opened(role) as store:
        assert await create(store) == [run_id(1)]


async def test_a_role_with_few_rights_may_work_on_the_schema_of_a_dba(admin: psycopg.Connection, database: URL) -> None:
    admin.execute(SqlStorage.postgresql(database).schema.script().encode())
    role = new_role(admin, database)
    admin.execute(sql_of_page("GRANT", role))
    async with opened(role, auto_migrate=False) as store:
        assert await create(store) == [run_id(1)]
        await commit_claim(store, claim())
        assert len(await store.list_events(run_id(1))) == 2


async def test_a_role_with_few_rights_migrates_nothing(admin: psycopg.Connection, database: URL) -> None:
    role = new_role(admin, database)
    with pytest.raises(StorageUnavailable) as caught:
        await SqlStorage.postgresql(role).schema.migrate()
    assert PASSWORD not in str(caught.value)
    assert schema_of_any(admin) == []


async def test_two_schemas_in_one_database_know_nothing_of_each_other(database: URL) -> None:
    async with opened(database, schema="one") as one, opened(database, schema="Two") as two:
        await create(one)
        assert len(await one.load([run_id(1)])) == 1
        assert await two.load([run_id(1)]) == {}


def sql_of_page(begin: str, role: URL) -> bytes:
    """The block of the page for DBAs that begins like this, for a role instead of ``app``."""
    [block] = re.findall(rf"```sql\n\s*({begin}.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return re.sub(r"\bapp\b", str(role.username), block).encode()


def schema_of_any(admin: psycopg.Connection) -> list[tuple[str]]:
    return admin.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'floworch'").fetchall()


async def _migrate(database: URL) -> None:
    await SqlStorage.postgresql(database).schema.migrate()
