"""Transactions that a store shares: with handlers, and with the application's own connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc as sa_exc

from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import Batch, Outcome, Storage
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import ConfigurationError, StorageError, StorageUnavailable
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.builders import (
    StillClock,
    advance,
    claim,
    commit_advance,
    commit_claim,
    create,
    creation,
    insert,
    overwrite,
    run_id,
    state,
)
from tests.contracts.storage.business import Business

RUNNING = (StepStatus.RUNNING, 1)
DONE = {"a": overwrite(RUNNING, state(StepStatus.SUCCEEDED, 1))}


@pytest.fixture
async def store(storage: Storage, backend: Backend) -> Storage:
    """A store that has transactions to share, with run 1 whose step ``a`` is running."""
    if not storage.capabilities.transactions:
        pytest.skip(f"{backend.name} has no transactions to share")
    await create(storage)
    assert await commit_claim(storage, claim()) is Outcome.DONE
    return storage


@pytest.fixture
async def business(store: Storage, backend: Backend) -> AsyncIterator[Business]:
    """A table of the application, in the same database."""
    table = Business(backend.application_url)
    yield table
    table.close()


async def finish(transaction: StoreTransaction, revision: int = 1) -> Outcome:
    result = await transaction.commit(Batch(advances=[advance(1, revision, DONE)]))
    return result.advances[0]


async def status_of(store: Storage) -> StepStatus:
    return (await store.load([run_id(1)]))[run_id(1)].steps["a"].status


# -- transactions of handlers


async def test_what_was_written_commits_with_the_batch(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    assert business.names() == []
    assert await finish(transaction) is Outcome.DONE
    assert business.names() == ["one"]
    assert await status_of(store) is StepStatus.SUCCEEDED


async def test_a_rollback_undoes_it(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    await transaction.rollback()
    await transaction.rollback()
    assert business.names() == []
    with pytest.raises(StorageError, match="over"):
        await finish(transaction)
    assert await status_of(store) is StepStatus.RUNNING


async def test_a_conflict_undoes_the_batch_alone_and_leaves_the_transaction_open(
    store: Storage, business: Business
) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    assert await finish(transaction, revision=7) is Outcome.CONFLICT
    assert await status_of(store) is StepStatus.RUNNING
    assert business.names() == []
    assert await finish(transaction) is Outcome.DONE
    assert business.names() == ["one"]


async def test_it_has_begun_when_it_was_first_used(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    before = transaction.has_begun
    await transaction.execute("SELECT 1")
    assert (before, transaction.has_begun) == (False, True)
    await transaction.rollback()


async def test_others_may_write_before_it_has_begun_and_after_it_has_ended(store: Storage) -> None:
    waiting = await store.begin()
    ended = await store.begin()
    await ended.execute("SELECT 1")
    await ended.rollback()
    assert await create(store, creation(2)) == [run_id(2)]
    await waiting.rollback()


async def test_a_statement_gives_its_rows_and_their_number(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    many = await transaction.execute(business.insert, [{"name": "one"}, {"name": "two"}])
    rows = await transaction.execute(sa.select(business.table.c.name).order_by(business.table.c.name))
    changed = await transaction.execute(
        f"UPDATE {business.table} SET name = :new WHERE name = :old", {"new": "three", "old": "two"}
    )
    assert list(many) == []
    assert [row.name for row in rows] == ["one", "two"]
    assert changed.row_count == 1
    await transaction.rollback()


async def test_a_function_gets_the_connection(store: Storage, business: Business) -> None:
    def write(connection: sa.Connection) -> str:
        with connection.begin_nested():
            connection.execute(business.insert, {"name": "kept"})
        with connection.begin_nested() as part:
            connection.execute(business.insert, {"name": "dropped"})
            part.rollback()
        return "written"

    transaction = await store.begin()
    assert await transaction.run(write) == "written"
    assert await finish(transaction) is Outcome.DONE
    assert business.names() == ["kept"]


async def test_calls_at_the_same_time_run_one_after_the_other(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    names = [f"n{number:02}" for number in range(20)]
    await asyncio.gather(*(transaction.execute(business.insert, {"name": name}) for name in names))
    assert await finish(transaction) is Outcome.DONE
    assert business.names() == names


async def test_more_transactions_than_connections_wait_for_their_turn(store: Storage, business: Business) -> None:
    await create(store, *(creation(number) for number in range(2, 42)))

    async def work(number: int) -> Outcome:
        transaction = await store.begin()
        await transaction.execute(business.insert, {"name": f"n{number:02}"})
        step = {"a": overwrite((StepStatus.READY, 0), state(StepStatus.SUCCEEDED, 1))}
        return (await transaction.commit(Batch(advances=[advance(number, 1, step)]))).advances[0]

    outcomes = await asyncio.gather(*(work(number) for number in range(2, 42)))
    assert outcomes == [Outcome.DONE] * 40
    assert len(business.names()) == 40


async def test_what_was_loaded_cannot_be_moved_before_the_commit(store: Storage, neighbour: Storage) -> None:
    transaction = await store.begin()
    loaded = await transaction.load(run_id(1))
    assert loaded is not None
    assert loaded == (await neighbour.load([run_id(1)]))[run_id(1)]
    racing = asyncio.create_task(commit_advance(neighbour, advance(1, loaded.revision)))
    assert await finish(transaction, loaded.revision) is Outcome.DONE
    assert await racing is Outcome.CONFLICT


async def test_a_run_that_does_not_exist_is_loaded_as_none(store: Storage) -> None:
    transaction = await store.begin()
    assert await transaction.load(run_id(99)) is None
    await transaction.rollback()


async def test_an_error_of_a_statement_reaches_the_handler_as_it_is(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    with pytest.raises(sa_exc.IntegrityError):
        await transaction.execute(business.insert, {"name": "one"})
    await transaction.rollback()
    assert business.names() == []


@pytest.mark.parametrize("statement", ["COMMIT", "rollback;", "  end", sa.text("Begin"), "ROLLBACK AND CHAIN"])
async def test_text_that_would_end_the_transaction_is_refused(
    store: Storage, business: Business, statement: Any
) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    with pytest.raises(ConfigurationError, match="before its completion"):
        await transaction.execute(statement)
    assert await finish(transaction) is Outcome.DONE
    assert business.names() == ["one"]


async def test_text_that_goes_back_to_a_savepoint_is_not_refused(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    await transaction.execute("SAVEPOINT here")
    await transaction.execute(business.insert, {"name": "one"})
    await transaction.execute("ROLLBACK TO SAVEPOINT here")
    assert await finish(transaction) is Outcome.DONE
    assert business.names() == []


@pytest.mark.parametrize("ending", ["commit", "rollback", "close"])
async def test_a_function_that_ends_the_transaction_undoes_it(store: Storage, business: Business, ending: str) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    with pytest.raises(ConfigurationError, match="transaction of"):
        await transaction.run(lambda connection: getattr(connection, ending)())
    with pytest.raises(StorageError, match="over"):
        await finish(transaction)
    await transaction.rollback()
    assert business.names() == []
    assert await create(store, creation(2)) == [run_id(2)]


async def test_a_cancelled_statement_ends_the_transaction(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    slow = asyncio.create_task(transaction.execute(business.endless))
    await business.until_busy(slow)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    with pytest.raises(StorageError, match="over"):
        await finish(transaction)
    await transaction.rollback()
    assert business.names() == []


async def test_a_rollback_interrupts_the_statement_under_way(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    slow = asyncio.create_task(transaction.execute(business.endless))
    await business.until_busy(slow)
    await transaction.rollback()
    with pytest.raises(sa_exc.DBAPIError):
        await slow
    assert await create(store, creation(2)) == [run_id(2)]


async def test_a_rollback_interrupts_a_statement_that_begins_after_it(store: Storage, business: Business) -> None:
    is_called, may_go_on = threading.Event(), threading.Event()

    def work(connection: Any) -> None:
        is_called.set()
        may_go_on.wait(30)
        connection.execute(sa.text(business.endless))

    transaction = await store.begin()
    slow = asyncio.create_task(transaction.run(work))
    assert await asyncio.to_thread(is_called.wait, 30)
    ending = asyncio.create_task(transaction.rollback())
    await asyncio.wait({ending}, timeout=0.2)  # what is interrupted now is nothing
    may_go_on.set()
    with pytest.raises(sa_exc.DBAPIError):
        await slow
    await ending
    assert await create(store, creation(2)) == [run_id(2)]


async def test_what_the_database_refuses_at_the_commit_is_undone(store: Storage, business: Business) -> None:
    transaction = await store.begin()
    await transaction.execute(business.insert_orphan, {"name": "orphan"})
    with pytest.raises(StorageError) as refused:
        await finish(transaction)
    assert not isinstance(refused.value, StorageUnavailable)
    await transaction.rollback()
    assert business.names() == []
    assert await status_of(store) is StepStatus.RUNNING


async def test_closing_a_store_undoes_what_is_open(backend: Backend, clock: StillClock) -> None:
    store = backend.make(clock)
    if not store.capabilities.transactions:
        pytest.skip(f"{backend.name} has no transactions to share")
    await store.open()
    business = Business(backend.application_url)
    transaction = await store.begin()
    await transaction.execute(business.insert, {"name": "one"})
    await store.close()
    business.add("two")
    assert business.names() == ["two"]
    await transaction.rollback()
    business.close()


async def test_a_closed_store_lends_no_transaction(store: Storage) -> None:
    await store.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await (await store.begin()).execute("SELECT 1")


# -- transactions of the application


async def enlist(store: Storage, connection: object, number: int = 2, key: str | None = None) -> Any:
    result = await store.enlist(connection, Batch(creations=[creation(number, steps={"a": insert(state())}, key=key)]))
    return result.creations[0]


async def test_a_run_exists_when_the_caller_has_committed(store: Storage, business: Business) -> None:
    with business.engine.connect() as connection:
        connection.execute(business.insert, {"name": "one"})
        assert await enlist(store, connection) == run_id(2)
        assert run_id(2) not in await store.load([run_id(2)])
        connection.commit()
    assert run_id(2) in await store.load([run_id(2)])
    assert business.names() == ["one"]


async def test_a_run_does_not_exist_when_the_caller_has_rolled_back(store: Storage, business: Business) -> None:
    with business.engine.connect() as connection:
        assert await enlist(store, connection) == run_id(2)
        connection.execute(business.insert, {"name": "one"})
        connection.rollback()
    assert run_id(2) not in await store.load([run_id(2)])
    assert business.names() == []


async def test_a_used_key_answers_with_its_run(store: Storage, business: Business) -> None:
    await create(store, creation(3, key="k"))
    with business.engine.begin() as connection:
        assert await enlist(store, connection, 2, key="k") == run_id(3)
        assert await enlist(store, connection, 4, key="other") == run_id(4)
        assert await enlist(store, connection, 5, key="other") == run_id(4)
    assert sorted(await store.load([run_id(n) for n in (2, 3, 4, 5)])) == [run_id(3), run_id(4)]


async def test_a_key_is_free_again_after_a_rollback(store: Storage, business: Business) -> None:
    with business.engine.connect() as connection:
        await enlist(store, connection, 2, key="k")
        connection.rollback()
    assert await create(store, creation(3, key="k")) == [run_id(3)]


async def test_the_transaction_of_a_caller_goes_on_after_a_refusal(store: Storage, business: Business) -> None:
    with business.engine.begin() as connection:
        await enlist(store, connection, 2)
        with pytest.raises(StorageError):
            await enlist(store, connection, 2)
        connection.execute(business.insert, {"name": "one"})
    assert business.names() == ["one"]
    assert run_id(2) in await store.load([run_id(2)])


async def test_a_connection_that_commits_every_statement_is_refused(store: Storage, business: Business) -> None:
    each_by_itself = business.engine.execution_options(isolation_level="AUTOCOMMIT")
    with each_by_itself.connect() as connection, pytest.raises(ConfigurationError, match="autocommit"):
        await enlist(store, connection)
    assert await store.load([run_id(2)]) == {}


async def test_a_connection_to_another_database_is_refused(store: Storage, tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'other.db'}", poolclass=sa.NullPool)
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="keeps its runs"):
        await enlist(store, connection)


@pytest.mark.parametrize("thing", [object(), "postgresql://…", None, 7])
async def test_what_is_no_connection_is_refused(store: Storage, thing: object) -> None:
    with pytest.raises(ConfigurationError, match="a connection or session of SQLAlchemy"):
        await enlist(store, thing)


# -- stores without transactions


async def test_a_store_without_transactions_says_which_ones_have_them(storage: Storage) -> None:
    if storage.capabilities.transactions:
        pytest.skip("has transactions")
    with pytest.raises(ConfigurationError, match="SQLite, PostgreSQL and SQL Server"):
        await storage.begin()
    with pytest.raises(ConfigurationError, match="SQLite, PostgreSQL and SQL Server"):
        await storage.enlist(object(), Batch())
