"""What a process asks while it has nothing to do. BEGIN and ROLLBACK count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import URL, Connection

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, ManualTrigger, Step
from floworch.core.model.limits import Limit, type_limit
from floworch.storage.sql import SqlStorage
from tests.contracts.storage.builders import FLOW, create, creation, flow, run_id
from tests.storage.postgresql.databases import opened
from tests.storage.postgresql.statements_told import telling, told

NOW = datetime.now(UTC)
FLOWS = frozenset({FLOW})
LOOKS: dict[str, Callable[[SqlStorage], Awaitable[object]]] = {
    "due": lambda store: store.due(NOW, 100),
    "ready": lambda store: store.ready(10, frozenset({"Work"}), FLOWS),
    "limits": lambda store: store.limit_use(),
    "limits and what waits": lambda store: store.limit_use(waiting=True),
    "schedules": lambda store: store.due_schedules(NOW, 100, FLOWS),
    "disabled flows": lambda store: store.due_schedules(NOW, 0, FLOWS),
    "notices": lambda store: store.due_notices(NOW, 20, FLOWS),
}


@pytest.fixture
def statements() -> Iterator[list[str]]:
    with told() as statements:
        yield statements


@pytest.fixture
async def store(database: URL, statements: list[str]) -> AsyncIterator[SqlStorage]:
    async with opened(telling(database), pool_size=3) as store:
        await store.save_flows([flow()])
        await create(store, creation(1))
        yield store


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("limits", [{}, {type_limit("Work"): Limit(concurrency=1)}], ids=["unlimited", "limited"])
async def test_a_look_is_one_statement(
    store: SqlStorage, statements: list[str], limits: dict[str, Limit], name: str
) -> None:
    await store.save_limits(limits, ())
    await LOOKS[name](store)  # connections say a few things when they are new
    statements.clear()
    await LOOKS[name](store)
    assert [text.split()[0] for text in statements] == ["SELECT"]


async def test_a_read_says_what_it_is_when_it_begins(store: SqlStorage, statements: list[str]) -> None:
    await store.load([run_id(1)])
    statements.clear()
    await store.load([run_id(1)])
    began, *questions, ended = statements
    assert (began, ended) == ("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "ROLLBACK")
    assert [text.split()[0] for text in questions] == ["SELECT", "SELECT"]


@pytest.mark.parametrize("pgbouncer", [False, True], ids=["direct", "pgbouncer"])
@pytest.mark.parametrize("read_only", ["off", "on"])
async def test_a_connection_that_was_read_on_is_written_on_as_the_server_says(
    database: URL, read_only: str, pgbouncer: bool
) -> None:
    await SqlStorage.postgresql(database).schema.migrate()
    url = database.update_query_dict({"options": f"-c default_transaction_read_only={read_only}"})
    async with opened(url, pool_size=3, pgbouncer=pgbouncer) as store:
        ways = store._open_session.transactions
        for _ in range(4):  # more often than there are connections
            assert ways.read(_kind) == ["repeatable read", "on"]
            ways.ask(_kind)
            assert ways.write(_kind) == ["read committed", read_only]


async def test_an_idle_process_asks_four_things_and_nothing_else(database: URL, statements: list[str]) -> None:
    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps={"a": Step(type="Work")})
    builder = (
        FlowOrchestrator.builder()
        .use_postgresql(str(telling(database)))
        .use_asyncio_runtime()
        .add_flow(FlowDefinition(id=FLOW, name="Tested", version="1", manifest=manifest))
        .add_handlers("Work", lambda: None)
        .configure(poll_interval_seconds=0.01, idle_poll_seconds=0.01)
    )
    async with builder.build():
        await _looks_at_schedules(statements, 2)  # the first one also forgets old ticks
        statements.clear()
        await _looks_at_schedules(statements, 10)
        asked = {*statements}
    assert [text.split()[0] for text in asked] == ["SELECT"] * 4


async def _looks_at_schedules(statements: list[str], count: int) -> None:
    async with asyncio.timeout(30):
        while sum("'backfill' AS kind" in text for text in statements) < count:  # noqa: ASYNC110 - a list sets no event
            await asyncio.sleep(0.01)


def _kind(connection: Connection) -> list[object]:
    """The isolation of the transaction, and whether it is read-only."""
    names = ("transaction_isolation", "transaction_read_only")
    return [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
