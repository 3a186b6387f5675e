"""Commits on the event loop: what becomes of the connection, and of the batch, when something is not as usual."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy import URL

from floworch.core.model.payload import Payload
from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import Advance, Batch, Outcome, RunFilter
from floworch.errors import StorageError, StorageUnavailable
from floworch.storage.sql import SqlStorage
from floworch.storage.sql.pipe import Answer, Order
from tests.contracts.storage.builders import advance, create, creation, insert, overwrite, run_id, state
from tests.storage.postgresql.databases import opened, until

HELD = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"
AT_REST = """
SELECT count(*) = 0 FROM pg_stat_activity
WHERE state <> 'idle' AND datname = current_database() AND pid <> pg_backend_pid()
"""
FACTS = [{"type": "step.completed"}]
LONG = Payload(f'"{"x" * 2_000_000}"')


async def runs_in(store: SqlStorage) -> int:
    return len((await store.list_runs(RunFilter(), 1_000)).runs)


@pytest.mark.parametrize(("key", "runs"), [(None, {1, 2, 3}), ("a-key", {1, 3})], ids=["in one round trip", "in two"])
async def test_a_commit_that_is_cancelled_is_written_as_a_whole_or_not_at_all(
    admin: psycopg.Connection, database: URL, key: str | None, runs: set[int]
) -> None:
    async with opened(database) as store:
        await create(store, creation(1))
        with admin.transaction():
            admin.execute("LOCK TABLE floworch.run IN ACCESS EXCLUSIVE MODE")
            commit = asyncio.create_task(create(store, creation(2, key=key)))
            await until(admin, HELD)
            commit.cancel()
            with pytest.raises(asyncio.CancelledError):
                await commit
        await until(admin, AT_REST)
        assert await create(store, creation(3)) == [run_id(3)]
        assert {run.id for run in (await store.list_runs(RunFilter(), 10)).runs} == {run_id(number) for number in runs}
        assert all([await store.list_events(run_id(number)) for number in runs])


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


async def test_what_the_server_refuses_only_at_the_end_is_written_again(
    admin: psycopg.Connection, database: URL
) -> None:
    """After all statements have succeeded: a deferred constraint of somebody's, say."""
    async with opened(database) as store:
        admin.execute(
            """
            CREATE SEQUENCE tries;
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') < 3 THEN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END IF;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON floworch.run DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION refuse();
            """
        )
        assert await create(store) == [run_id(1)]
        assert await runs_in(store) == 1
        assert admin.execute("SELECT last_value FROM tries").fetchall() == [(3,)]


@pytest.mark.parametrize(
    "stale",
    [
        advance(1, 7, facts=FACTS),
        advance(1, 1, {"a": overwrite((StepStatus.RUNNING, 1), state(StepStatus.SUCCEEDED, 1))}, facts=FACTS),
        advance(1, 1, {"a": insert(state())}, facts=FACTS),
    ],
    ids=["revision", "changed step", "new step"],
)
async def test_a_row_that_has_moved_undoes_the_whole_trip_and_breaks_no_connection(
    database: URL, stale: Advance
) -> None:
    async with opened(database, pool_size=3) as store:
        await store.commit(Batch(creations=[creation(n, steps={"a": insert(state())}) for n in (1, 2)]))
        before = await backend_of(store)
        result = await store.commit(Batch(advances=[advance(2, 1, facts=FACTS), stale]))
        assert result.advances == [Outcome.DONE, Outcome.CONFLICT]
        assert (await store.commit(Batch(advances=[advance(2, 2, facts=FACTS)]))).advances == [Outcome.DONE]
        assert await backend_of(store) == before
        assert [len(await store.list_events(run_id(n))) for n in (1, 2)] == [1, 3]


async def test_statements_after_one_that_fails_are_prepared_the_next_time(database: URL) -> None:
    async with opened(database, pool_size=3) as store:
        await create(store, creation(1, steps={"a": insert(state())}))
        before = await backend_of(store)
        for revision, outcome in ((7, Outcome.CONFLICT), (1, Outcome.DONE), (7, Outcome.CONFLICT), (2, Outcome.DONE)):
            change = overwrite((StepStatus.READY, 0), state())
            result = await store.commit(Batch(advances=[advance(1, revision, {"a": change}, facts=FACTS)]))
            assert result.advances == [outcome]
        assert await backend_of(store) == before
        assert len(await store.list_events(run_id(1))) == 3


async def test_a_connection_whose_prepared_statements_are_gone_is_replaced(database: URL) -> None:
    """As when a pooler in between has other ideas."""
    async with opened(database, pool_size=3) as store:
        await create(store, creation(1))
        before = await backend_of(store)
        await on_pipe(store, Order("DEALLOCATE ALL"))
        assert await create(store, creation(2)) == [run_id(2)]
        assert await create(store, creation(3)) == [run_id(3)]
        assert await backend_of(store) != before


async def test_a_connection_that_the_server_has_ended_is_replaced_before_anything_is_sent(
    admin: psycopg.Connection, database: URL
) -> None:
    async with opened(database, pool_size=3) as store:
        for number in range(1, 5):
            assert await create(store, creation(number)) == [run_id(number)]
            # No await before the next commit, and so no time for the event loop to notice.
            admin.execute(b"SELECT pg_terminate_backend(%d, 5000)" % await backend_of(store))


async def backend_of(store: SqlStorage) -> int:
    """The server's process behind the only pipe."""
    answer = await on_pipe(store, Order("SELECT pg_backend_pid()"))
    return int(answer.values[0] or 0)


async def on_pipe(store: SqlStorage, order: Order) -> Answer:
    assert store._express is not None
    pipe = await store._express.pipes.take()
    assert pipe is not None
    [answer] = await pipe.exchange([order])
    store._express.pipes.give_back(pipe)
    return answer


async def test_after_an_error_of_the_database_the_next_commit_goes_on(database: URL) -> None:
    async with opened(database) as store:
        await create(store)
        with pytest.raises(StorageError, match="duplicate key"):
            await create(store)
        assert await create(store, creation(2)) == [run_id(2)]


async def test_words_that_no_server_takes_are_refused_and_not_cut(database: URL) -> None:
    async with opened(database) as store:
        for key in (None, "a\0b"):
            with pytest.raises(StorageError, match="NUL"):
                await store.commit(Batch(creations=[creation(1, key=key, flow_name="a\0b")]))
        assert await runs_in(store) == 0


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
        answer = await on_pipe(store, Order("SELECT name FROM pg_prepared_statements"))
        assert len(answer.values) == 3  # run, step, event
