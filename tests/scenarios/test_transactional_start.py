"""A run that was started in a transaction of the application exists if and only if that transaction commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.rows import dict_row
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from floworch import (
    ConfigurationError,
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    ManualTrigger,
    RunHandle,
    RunStatus,
    Step,
    StepContext,
    step_handler,
)
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.business import Business

CHILD = UUID(int=0x7B)
PARENT = UUID(int=0x7C)
Start = Callable[..., Any]


class Rollback(Exception):
    """Leaves a transaction without committing it."""


@pytest.fixture
async def business(backend: Backend) -> AsyncIterator[Business]:
    if backend.name == "memory":
        pytest.skip("memory has no transactions to share")
    table = Business(backend.application_url)
    yield table
    table.close()


@step_handler("Parent")
async def start_child(ctx: StepContext, fails: bool = False) -> str:
    """Starts a run of the other flow in the transaction of its own step."""
    orchestrator: FlowOrchestrator = ctx.service(Home).orchestrator
    async with ctx.transaction() as tx:
        run = await orchestrator.trigger(CHILD, idempotency_key=ctx.idempotency_key, connection=tx)
    if fails:
        raise ValueError("after all")
    return str(run.run_id)


@step_handler("BlockingParent")
def start_child_blocking(ctx: StepContext) -> str:
    home = ctx.service(Home)
    with ctx.transaction() as tx:
        work = home.orchestrator.trigger(CHILD, connection=tx)
        return str(asyncio.run_coroutine_threadsafe(work, home.loop).result(30).run_id)


class Home:
    """Lends the orchestrator to its own handlers."""

    orchestrator: FlowOrchestrator
    loop: asyncio.AbstractEventLoop


@pytest.fixture
def home() -> Home:
    return Home()


@pytest.fixture
def build(backend: Backend, business: Business, home: Home) -> Callable[[], FlowOrchestrator]:
    def flow(id: UUID, name: str, step: Step) -> FlowDefinition:
        manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps={"only": step})
        return FlowDefinition(id=id, name=name, manifest=manifest)

    def build_one() -> FlowOrchestrator:
        parent = Step(type="Parent", inputs={"fails": "@triggerBody()"})
        builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime()
        builder.add_flow(flow(CHILD, "Child", Step(type="LogMessage", inputs={"message": "hello"})))
        builder.add_flow(flow(PARENT, "Parent", parent))
        builder.add_handlers(start_child, start_child_blocking).add_service(home)
        return builder.configure(poll_interval_seconds=0.05).build()

    return build_one


@pytest.fixture
async def orchestrator(build: Callable[[], FlowOrchestrator], home: Home) -> AsyncIterator[FlowOrchestrator]:
    async with build() as started:
        home.orchestrator, home.loop = started, asyncio.get_running_loop()
        yield started


# -- the connections of an application: each gives (connection, insert) and commits unless it is left by an error


@asynccontextmanager
async def sqlalchemy_connection(business: Business) -> AsyncIterator[Any]:
    with business.engine.begin() as connection:

        async def insert(name: str) -> None:
            connection.execute(business.insert, {"name": name})

        yield connection, insert


@asynccontextmanager
async def sqlalchemy_session(business: Business) -> AsyncIterator[Any]:
    with orm.Session(business.engine) as session, session.begin():

        async def insert(name: str) -> None:
            session.execute(business.insert, {"name": name})

        yield session, insert


@asynccontextmanager
async def _async_connection(business: Business, driver: str) -> AsyncIterator[Any]:
    engine = create_async_engine(business.engine.url.set(drivername=f"postgresql+{driver}"), poolclass=sa.NullPool)
    async with engine.begin() as connection:

        async def insert(name: str) -> None:
            await connection.execute(business.insert, {"name": name})

        yield connection, insert


def sqlalchemy_async_psycopg(business: Business) -> Any:
    return _async_connection(business, "psycopg_async")


def sqlalchemy_async_asyncpg(business: Business) -> Any:
    return _async_connection(business, "asyncpg")


@asynccontextmanager
async def sqlalchemy_async_session(business: Business) -> AsyncIterator[Any]:
    url = business.engine.url.set(drivername="postgresql+psycopg_async")
    engine = create_async_engine(url, poolclass=sa.NullPool)
    async with AsyncSession(engine) as session, session.begin():

        async def insert(name: str) -> None:
            await session.execute(business.insert, {"name": name})

        yield session, insert


def _libpq(business: Business) -> str:
    return business.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


@asynccontextmanager
async def psycopg_connection(business: Business) -> AsyncIterator[Any]:
    with psycopg.connect(_libpq(business), row_factory=cast(Any, dict_row)) as connection:

        async def insert(name: str) -> None:
            connection.execute(f"INSERT INTO {business.table} (name) VALUES (%s)".encode(), (name,))

        yield connection, insert


@asynccontextmanager
async def psycopg_autocommit_with_block(business: Business) -> AsyncIterator[Any]:
    with psycopg.connect(_libpq(business), autocommit=True) as connection, connection.transaction():

        async def insert(name: str) -> None:
            connection.execute(f"INSERT INTO {business.table} (name) VALUES (%s)".encode(), (name,))

        yield connection, insert


@asynccontextmanager
async def psycopg_async_connection(business: Business) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(_libpq(business), row_factory=cast(Any, dict_row)) as connection:

        async def insert(name: str) -> None:
            await connection.execute(f"INSERT INTO {business.table} (name) VALUES (%s)".encode(), (name,))

        yield connection, insert


EVERYWHERE = [sqlalchemy_connection, sqlalchemy_session]
ON_POSTGRESQL = [
    sqlalchemy_async_psycopg,
    sqlalchemy_async_session,
    psycopg_connection,
    psycopg_autocommit_with_block,
    psycopg_async_connection,
    sqlalchemy_async_asyncpg,
]


@pytest.fixture(params=[*EVERYWHERE, *ON_POSTGRESQL], ids=lambda kind: kind.__name__)
def connect(request: pytest.FixtureRequest, backend: Backend, business: Business) -> Callable[[], Any]:
    if request.param in ON_POSTGRESQL and backend.name != "postgresql":
        pytest.skip("connections to PostgreSQL")
    return lambda: request.param(business)


async def test_the_run_exists_once_the_caller_commits(
    orchestrator: FlowOrchestrator, business: Business, connect: Callable[[], Any]
) -> None:
    async with connect() as (connection, insert):
        await insert("order")
        run = await orchestrator.trigger(CHILD, body={"order": 7}, connection=connection)
        assert sum((await orchestrator.count_runs()).values()) == 0
    result = await run.wait(timeout=30)
    assert result.status is RunStatus.SUCCEEDED
    assert business.names() == ["order"]


async def test_the_run_never_exists_when_the_caller_rolls_back(
    orchestrator: FlowOrchestrator, business: Business, connect: Callable[[], Any]
) -> None:
    async def start_and_roll_back() -> None:
        async with connect() as (connection, insert):
            started.append(await orchestrator.trigger(CHILD, idempotency_key="order", connection=connection))
            await insert("order")
            raise Rollback

    started: list[RunHandle] = []
    with pytest.raises(Rollback):
        await start_and_roll_back()
    assert sum((await orchestrator.count_runs()).values()) == 0
    assert business.names() == []
    again = await orchestrator.trigger(CHILD, idempotency_key="order")
    assert not again.duplicate
    assert again.run_id != started[0].run_id
    await again.wait(timeout=30)


async def test_a_key_that_is_known_gives_the_run_that_has_it(
    orchestrator: FlowOrchestrator, business: Business, connect: Callable[[], Any]
) -> None:
    known = await orchestrator.trigger(CHILD, idempotency_key="known")
    await known.wait(timeout=30)
    async with connect() as (connection, insert):
        old = await orchestrator.trigger(CHILD, idempotency_key="known", connection=connection)
        new = await orchestrator.trigger(CHILD, idempotency_key="new", connection=connection)
        same = await orchestrator.trigger(CHILD, idempotency_key="new", connection=connection)
        await insert("order")
    assert (old.run_id, old.duplicate) == (known.run_id, True)
    assert (same.run_id, same.duplicate, new.duplicate) == (new.run_id, True, False)
    assert sum((await orchestrator.count_runs()).values()) == 2
    await new.wait(timeout=30)


async def test_a_process_that_runs_no_steps_leaves_the_run_to_others(
    orchestrator: FlowOrchestrator, build: Callable[[], FlowOrchestrator], business: Business
) -> None:
    async with AsyncExitStack() as stack:
        caller = build()
        await caller.start(work=False)
        stack.push_async_callback(caller.stop)
        with business.engine.begin() as connection:
            run = await caller.trigger(CHILD, connection=connection)
        assert (await orchestrator.wait(run.run_id, timeout=30)).status is RunStatus.SUCCEEDED


async def test_a_handler_starts_a_run_together_with_the_completion_of_its_step(orchestrator: FlowOrchestrator) -> None:
    parent = await (await orchestrator.trigger(PARENT, body=False)).wait(timeout=30)
    child = await orchestrator.wait(parent.steps["only"].output, timeout=30)
    assert child.status is RunStatus.SUCCEEDED


async def test_a_handler_that_fails_has_started_nothing(orchestrator: FlowOrchestrator) -> None:
    parent = await (await orchestrator.trigger(PARENT, body=True)).wait(timeout=30)
    assert parent.status is RunStatus.FAILED
    assert [run.flow_name for run in (await orchestrator.list_runs()).runs] == ["Parent"]


async def test_many_callers_with_one_key_start_one_run(orchestrator: FlowOrchestrator, business: Business) -> None:
    async def call(name: str) -> UUID:
        def write() -> UUID:
            with business.engine.begin() as connection:
                work = orchestrator.trigger(CHILD, idempotency_key="one", connection=connection)
                run = asyncio.run_coroutine_threadsafe(work, loop).result(30)
                connection.execute(business.insert, {"name": name})
                return run.run_id

        return await asyncio.to_thread(write)

    loop = asyncio.get_running_loop()
    runs = await asyncio.gather(*(call(f"caller {number}") for number in range(4)))
    assert len(set(runs)) == 1
    assert len(business.names()) == 4
    await orchestrator.wait(runs[0], timeout=30)


def test_blocking_code_starts_a_run_in_its_transaction(
    build: Callable[[], FlowOrchestrator], business: Business
) -> None:
    with build().sync as flows:
        with business.engine.begin() as connection:
            connection.execute(business.insert, {"name": "order"})
            run = flows.trigger(CHILD, connection=connection)
        assert run.wait(timeout=30).status is RunStatus.SUCCEEDED
        with business.engine.connect() as connection:
            flows.trigger(CHILD, connection=connection)
            connection.rollback()
        assert len(flows.list_runs().runs) == 1
    assert business.names() == ["order"]


async def test_an_async_connection_is_refused_by_blocking_code(
    build: Callable[[], FlowOrchestrator], backend: Backend, business: Business
) -> None:
    if backend.name != "postgresql":
        pytest.skip("connections to PostgreSQL")
    async with await psycopg.AsyncConnection.connect(_libpq(business)) as connection:
        flows = build().sync
        await asyncio.to_thread(flows.start)
        try:
            with pytest.raises(ConfigurationError, match="event loop"):
                flows.trigger(CHILD, connection=connection)
        finally:
            await asyncio.to_thread(flows.stop)


async def test_a_connection_to_a_database_without_floworch_is_refused(
    orchestrator: FlowOrchestrator, backend: Backend, business: Business
) -> None:
    if backend.name != "postgresql":
        pytest.skip("a SQLite database is recognised by its file")
    name = f"empty_{business.table.name}"
    each_by_itself = business.engine.execution_options(isolation_level="AUTOCOMMIT")
    with each_by_itself.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    other = sa.create_engine(business.engine.url.set(database=name), poolclass=sa.NullPool)
    with other.connect() as connection, pytest.raises(ConfigurationError, match="no tables of floworch"):
        await orchestrator.trigger(CHILD, connection=connection)
    with each_by_itself.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}"')


async def test_a_caller_that_is_cancelled_can_roll_back(orchestrator: FlowOrchestrator, business: Business) -> None:
    with business.engine.connect() as connection:
        starting = asyncio.create_task(orchestrator.trigger(CHILD, connection=connection))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        connection.rollback()
    assert sum((await orchestrator.count_runs()).values()) == 0
