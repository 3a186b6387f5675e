"""What becomes of single operations of the store when connections to PostgreSQL break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from sqlalchemy import URL, Connection

from floworch.core.ports.clock import SystemClock
from floworch.core.ports.storage import Batch, RunFilter
from floworch.errors import CommitUnclear, StorageError, StorageUnavailable
from floworch.storage.sql import SqlStorage
from tests.contracts.storage.builders import creation, run_id
from tests.servers.postgresql import PostgresqlServer
from tests.servers.proxy import Network, Trouble

pytestmark = pytest.mark.chaos


_HISTORY = b"run.started"
"""Travels with the commit: what else a commit says in words, it says only the first time."""


@pytest.fixture
def network(chaos_server: PostgresqlServer) -> Iterator[Network]:
    network = Network(chaos_server.port)
    yield network
    network.close()


@pytest.fixture
def database(chaos_server: PostgresqlServer) -> URL:
    return chaos_server.create_database()


@pytest.fixture
async def store(database: URL, network: Network) -> AsyncIterator[SqlStorage]:
    store = SqlStorage.postgresql(database.set(port=network.port), clock=SystemClock())
    await store.open()
    yield store
    await store.close()


async def test_connections_that_broke_while_they_were_idle_fail_nothing(store: SqlStorage, network: Network) -> None:
    for number in range(3):
        network.break_all()
        assert (await store.commit(Batch(creations=[creation(number)]))).creations == [run_id(number)]
        network.break_all()
        assert await store.get_run(run_id(number)) is not None


async def test_a_transaction_whose_connection_breaks_before_the_commit_is_done_again(
    store: SqlStorage, network: Network
) -> None:
    """A key is asked for first."""
    network.cut_off_at(b"INSERT INTO", Trouble.LOST_REQUEST)
    await store.commit(Batch(creations=[creation(1, key="a")]))
    assert network.is_cut
    network.cut_off_at(b"INSERT INTO", Trouble.LOST_ANSWER)
    await store.commit(Batch(creations=[creation(2, key="b")]))
    assert network.is_cut
    assert [run.id for run in (await store.list_runs(RunFilter(), 10)).runs] == [run_id(2), run_id(1)]


@pytest.mark.parametrize(("trouble", "happened"), [(Trouble.LOST_REQUEST, False), (Trouble.LOST_ANSWER, True)])
@pytest.mark.parametrize("key", [None, "a-key"], ids=["in one round trip", "in two"])
async def test_a_connection_that_breaks_during_the_commit_leaves_it_unclear(
    store: SqlStorage, network: Network, trouble: Trouble, happened: bool, key: str | None
) -> None:
    network.cut_off_at(_HISTORY, trouble)
    with pytest.raises(CommitUnclear):
        await store.commit(Batch(creations=[creation(1, key=key)]))
    assert network.is_cut
    if happened:  # the server has been told to, and may still wait for its disk
        await _until_there(store)
    else:
        assert await store.get_run(run_id(1)) is None


async def _until_there(store: SqlStorage) -> None:
    async with asyncio.timeout(30):
        while await store.get_run(run_id(1)) is None:  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)


async def test_a_server_that_is_down_is_unavailable_and_comes_back(
    store: SqlStorage, chaos_server: PostgresqlServer
) -> None:
    chaos_server.stop()
    for operation in (store.commit(Batch(creations=[creation(1)])), store.get_run(run_id(1))):
        with pytest.raises(StorageUnavailable) as error:
            await operation
        assert not isinstance(error.value, CommitUnclear)
    chaos_server.start()
    await store.commit(Batch(creations=[creation(1)]))
    assert await store.get_run(run_id(1)) is not None


async def test_a_server_that_has_become_read_only_is_unavailable(store: SqlStorage, database: URL) -> None:
    _execute(database, f'ALTER DATABASE "{database.database}" SET default_transaction_read_only = on')
    _terminate_others(database)
    with pytest.raises(StorageUnavailable, match="read-only"):
        await store.commit(Batch(creations=[creation(1)]))


@pytest.mark.parametrize("code", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
async def test_work_is_done_again_when_another_transaction_was_in_its_way(store: SqlStorage, code: str) -> None:
    tries = []

    def work(connection: Connection) -> str:
        tries.append(code)
        if len(tries) < 3:
            connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
        return "done"

    assert await store._write(work) == "done"
    assert len(tries) == 3


async def test_a_value_that_the_driver_refuses_is_no_outage(store: SqlStorage) -> None:
    with pytest.raises(StorageError) as error:
        await store.find_run_by_key(run_id(1), "a\0b")
    assert not isinstance(error.value, StorageUnavailable)


def _execute(database: URL, statement: str) -> None:
    with psycopg.connect(_conninfo(database), autocommit=True) as connection:
        connection.execute(statement.encode())


def _terminate_others(database: URL) -> None:
    """New settings of a database are for new connections."""
    _execute(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def _conninfo(database: URL) -> str:
    return database.render_as_string(hide_password=False)
