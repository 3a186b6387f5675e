"""Commits on the event loop: what becomes of the connection, and of the batch, when something is not as usual."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy import URL

from floworch.core.model.payload import Payload
from floworch.core.ports.storage import Batch, RunFilter
from floworch.errors import StorageError, StorageUnavailable
from floworch.storage.sql import SqlStorage
from floworch.storage.sql.pipe import Order
from tests.contracts.storage.builders import create, creation, run_id
from tests.storage.postgresql.databases import opened, until

HELD = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
OPEN = "SELECT count(*) = 0 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
LONG = Payload(f'"{"x" * 2_000_000}"')


async def runs_in(store: SqlStorage) -> int:
    return len((await store.list_runs(RunFilter(), 1_000)).runs)


async def test_a_commit_that_is_cancelled_leaves_nothing_half_way(admin: psycopg.Connection, database: URL) -> None:
    async with opened(database) as store:
        await create(store, creation(1))
        with admin.transaction():
            admin.execute("LOCK TABLE floworch.run IN ACCESS EXCLUSIVE MODE")
            commit = asyncio.create_task(create(store, creation(2)))
            await until(admin, HELD)
            commit.cancel()
            with pytest.raises(asyncio.CancelledError):
                await commit
        await until(admin, OPEN)
        assert await create(store, creation(3)) == [run_id(3)]
        assert await runs_in(store) == 2


async def test_closing_waits_for_the_commit_under_way(admin: psycopg.Connection, database: URL) -> None:
    store = SqlStorage.postgresql(database)
    await store.open()
    with admin.transaction():
        admin.execute("LOCK TABLE floworch.run IN ACCESS EXCLUSIVE MODE")
        commit = asyncio.create_task(create(store, creation(1)))
        await until(admin, HELD)
        closing = asyncio.create_task(store.close())
        await asyncio.wait({closing}, timeout=0)
        assert not closing.done()
    await closing
    assert await commit == [run_id(1)]


async def test_a_closed_store_refuses_to_commit(database: URL) -> None:
    async with opened(database) as store:
        await create(store)
    with pytest.raises(StorageUnavailable, match="is closed"):
        await create(store, creation(2))


@pytest.mark.parametrize("code", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
async def test_a_commit_is_done_again_when_another_transaction_was_in_its_way(
    admin: psycopg.Connection, database: URL, code: str
) -> None:
    async with opened(database) as store:
        admin.execute(
            f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') < 4 THEN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON floworch.run FOR EACH ROW EXECUTE FUNCTION refuse();
            """.encode()
        )
        assert await create(store) == [run_id(1)]
        assert await runs_in(store) == 1


async def test_after_an_error_of_the_database_the_next_commit_goes_on(database: URL) -> None:
    async with opened(database) as store:
        await create(store)
        with pytest.raises(StorageError, match="duplicate key"):
            await create(store)
        assert await create(store, creation(2)) == [run_id(2)]


async def test_a_batch_that_is_larger_than_any_buffer_is_committed(database: URL) -> None:
    async with opened(database) as store:
        batch = Batch(creations=[creation(number, body=LONG) for number in range(10)])
        assert len((await store.commit(batch)).creations) == 10
        assert await runs_in(store) == 10


async def test_many_commits_at_once_share_the_few_pipes(database: URL) -> None:
    async with opened(database) as store:
        await asyncio.gather(*(create(store, creation(number)) for number in range(1, 60)))
        assert await runs_in(store) == 59


async def test_each_statement_is_prepared_once(database: URL) -> None:
    async with opened(database, pool_size=3) as store:
        for number in range(1, 5):
            await create(store, creation(number))
        assert store._express is not None
        pipe = await store._express.pipes.take()
        assert pipe is not None
        [answer] = await pipe.exchange([Order("SELECT name FROM pg_prepared_statements")])
        store._express.pipes.give_back(pipe)
        assert len(answer.values) == 3  # run, step, event
