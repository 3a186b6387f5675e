"""What connections are set to, and what happens when they break."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy import URL, text

from floworch.core.ports.storage import LeaseKey, RunFilter
from floworch.errors import StorageTimeout, StorageUnavailable
from floworch.storage.sql import SqlStorage
from tests.contracts.storage.builders import WORKER, create, creation, run_id
from tests.servers.postgresql import PostgresqlServer
from tests.storage.postgresql.databases import opened, until

SETTINGS = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


async def settings_of(store: SqlStorage, *names: str) -> list[str]:
    """What a connection of the store says about its settings, inside of a transaction."""
    return await store._write(lambda c: [str(c.execute(text(f"SHOW {name}")).scalar()) for name in names])


async def test_connections_are_named_and_limited(database: URL) -> None:
    async with opened(database) as store:
        assert await settings_of(store, *SETTINGS) == ["floworch", "30s", "5s", "1min"]


async def test_limits_can_be_chosen(database: URL) -> None:
    async with opened(
        database,
        application_name="shop",
        statement_timeout_seconds=1.5,
        lock_timeout_seconds=0.25,
        idle_in_transaction_timeout_seconds=2,
    ) as store:
        assert await settings_of(store, *SETTINGS) == ["shop", "1500ms", "250ms", "2s"]


async def test_what_the_url_says_wins(database: URL) -> None:
    url = database.update_query_dict({"options": "-c lock_timeout=7s", "application_name": "mine"})
    async with opened(url, application_name="shop") as store:
        assert await settings_of(store, *SETTINGS[:3]) == ["mine", "30s", "7s"]


async def test_libpq_parameters_of_the_url_are_passed_on(database: URL) -> None:
    url = f"{database.render_as_string()}?sslmode=disable&target_session_attrs=read-write&connect_timeout=3"
    async with opened(url) as store:
        assert await create(store) == [run_id(1)]


async def test_the_first_of_several_hosts_that_answers_is_used(database: URL) -> None:
    url = f"postgresql://{database.username}@127.0.0.1:1,{database.host}:{database.port}/{database.database}"
    async with opened(url) as store:
        assert await create(store) == [run_id(1)]


async def test_statements_are_prepared_when_they_come_back(database: URL) -> None:
    async with opened(database, pool_size=3) as store:
        for number in range(1, 40):
            await store.get_run(run_id(number))
            await store.renew(WORKER, {LeaseKey(run_id(number), "a", 1): 1.0})
        assert await _prepared(store) > 0


async def test_behind_pgbouncer_nothing_is_prepared_and_nothing_outlives_a_transaction(
    admin: psycopg.Connection, database: URL
) -> None:
    async with opened(database, pgbouncer=True, pool_size=3) as store:
        for number in range(1, 40):
            await create(store, creation(number))
        assert await _prepared(store) == 0
        assert await settings_of(store, *SETTINGS) == ["floworch", "30s", "5s", "1min"]
        connection = store._open_session.transactions._engine.connect()
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "0"
        connection.close()


async def _prepared(store: SqlStorage) -> int:
    """On any connection of the store's pool: the most statements that one of them has prepared."""
    found = await asyncio.gather(
        *(store._write(lambda c: c.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar()) for _ in "12")
    )
    return max(int(each or 0) for each in found)


async def test_the_pool_does_not_grow_beyond_its_size(admin: psycopg.Connection, database: URL) -> None:
    async with opened(database, pool_size=4, application_name="crowd") as store:
        await asyncio.gather(*(create(store, creation(number)) for number in range(1, 60)))
        await asyncio.gather(*(store.list_runs(RunFilter(), 5) for _ in range(60)))
        [[used]] = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crowd'").fetchall()
    assert 0 < used <= 4


async def test_connections_that_were_broken_while_idle_are_replaced_without_an_error(
    admin: psycopg.Connection, database: URL
) -> None:
    async with opened(database) as store:
        for number in range(1, 6):
            _terminate(admin)
            assert await create(store, creation(number)) == [run_id(number)]
            assert len((await store.list_runs(RunFilter(), 10)).runs) == number


async def test_a_store_outlives_a_restart_of_the_server() -> None:
    server = PostgresqlServer()
    try:
        server.start()
        async with opened(server.create_database(), retry_seconds=1) as store:
            await create(store, creation(1))
            server.stop()
            with pytest.raises(StorageUnavailable, match="does not answer"):
                await create(store, creation(2))
            server.start()
            assert await create(store, creation(3)) == [run_id(3)]
            assert set(await store.load([run_id(n) for n in (1, 2, 3)])) == {run_id(1), run_id(3)}
    finally:
        server.remove()


async def test_a_statement_that_takes_too_long_is_ended_and_the_store_goes_on(
    admin: psycopg.Connection, database: URL
) -> None:
    async with opened(database, statement_timeout_seconds=0.1, retry_seconds=0) as store:
        with pytest.raises(StorageTimeout, match="raise statement_timeout_seconds"):
            await store._read(lambda c: c.execute(text("SELECT pg_sleep(30)")))
        assert await create(store) == [run_id(1)]


async def test_a_lock_that_another_one_keeps_is_reported_and_the_store_goes_on(
    admin: psycopg.Connection, database: URL
) -> None:
    async with opened(database, lock_timeout_seconds=0.05) as store:
        with admin.transaction():
            admin.execute("LOCK TABLE floworch.run IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StorageTimeout, match="has held a lock for too long"):
                await create(store)
        assert await create(store) == [run_id(1)]


async def test_a_transaction_in_which_nothing_happens_gives_its_locks_back(
    admin: psycopg.Connection, database: URL
) -> None:
    """As when a process is stopped in the middle of it."""
    async with opened(database) as healthy, opened(database, idle_in_transaction_timeout_seconds=0.1) as stopped:
        await create(healthy)
        connection = stopped._open_session.transactions._engine.connect()
        connection.exec_driver_sql("SELECT * FROM floworch.run FOR UPDATE")
        update = "UPDATE floworch.run SET priority = priority"
        await healthy._write(lambda c: c.exec_driver_sql(update))
        with pytest.raises(Exception, match="idle-in-transaction"):
            connection.exec_driver_sql(update)
        connection.close()


async def test_closing_leaves_no_connection(admin: psycopg.Connection, database: URL) -> None:
    async with opened(database, application_name="brief") as store:
        await create(store)
    mine = "SELECT FROM pg_stat_activity WHERE application_name = 'brief'"
    await until(admin, f"SELECT NOT EXISTS ({mine})")


def _terminate(admin: psycopg.Connection) -> None:
    """Break all other connections to the database, and wait until they are gone."""
    admin.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
