"""A signal that is sent in a transaction of the application comes if and only if that transaction commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest

from floworch import FlowManifest, FlowOrchestrator, ManualTrigger, RunNotFound, RunStatus, SignalStatus, Step
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.business import Business
from tests.scenarios.test_transactional_start import EVERYWHERE, ON_POSTGRESQL
from tests.scenarios.world import FLOW_ID, flow_of

Start = Callable[..., Any]
MANIFEST = FlowManifest(
    triggers={"manual": ManualTrigger()},
    steps={
        "wait": Step(type="WaitForSignal", inputs={"signalName": "paid", "quorum": 2}),
        "tell": Step(type="Echo", run_after=["wait"], inputs={"value": "@steps('wait').output"}),
    },
)


class Rollback(Exception):
    """Leaves a transaction without committing it."""


@pytest.fixture
async def business(backend: Backend) -> AsyncIterator[Business]:
    if backend.name == "memory":
        pytest.skip("memory has no transactions to share")
    table = Business(backend.application_url)
    yield table
    table.close()


@pytest.fixture(params=[*EVERYWHERE, *ON_POSTGRESQL], ids=lambda kind: kind.__name__)
def connect(request: pytest.FixtureRequest, backend: Backend, business: Business) -> Callable[[], Any]:
    if request.param in ON_POSTGRESQL and backend.name != "postgresql":
        pytest.skip("connections to PostgreSQL")
    return lambda: request.param(business)


async def test_signals_come_once_the_caller_commits(
    start: Start, business: Business, connect: Callable[[], Any]
) -> None:
    orchestrator: FlowOrchestrator = await start(MANIFEST)
    run = await orchestrator.trigger(FLOW_ID)
    async with connect() as (connection, insert):
        await insert("payment")
        first = await run.signal("paid", 1, connection=connection)
        second = await run.signal("paid", 2, deduplication_id="second", connection=connection)
        again = await run.signal("paid", 3, deduplication_id="second", connection=connection)
        assert await orchestrator.list_signals(run.run_id) == []
    assert [first.status, second.status] == [SignalStatus.DELIVERED, SignalStatus.DELIVERED]
    assert again.status is SignalStatus.ALREADY_DELIVERED
    result = await run.wait(30)
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["tell"].output == [1, 2]
    assert business.names() == ["payment"]


async def test_signals_never_come_when_the_caller_rolls_back(
    start: Start, business: Business, connect: Callable[[], Any]
) -> None:
    orchestrator: FlowOrchestrator = await start(MANIFEST)
    run = await orchestrator.trigger(FLOW_ID)

    async def send_and_roll_back() -> None:
        async with connect() as (connection, insert):
            await run.signal("paid", 1, deduplication_id="key", connection=connection)
            await insert("payment")
            raise Rollback

    with pytest.raises(Rollback):
        await send_and_roll_back()
    assert await orchestrator.list_signals(run.run_id) == []
    assert business.names() == []
    assert (await run.signal("paid", 2, deduplication_id="key")).status is SignalStatus.DELIVERED
    await run.signal("paid", 3)
    assert (await run.wait(30)).steps["wait"].output == [2, 3]


async def test_a_run_is_started_and_signalled_in_one_transaction(start: Start, business: Business) -> None:
    orchestrator: FlowOrchestrator = await start(MANIFEST)
    with business.engine.begin() as connection:
        run = await orchestrator.trigger(FLOW_ID, connection=connection)
        await run.signal("paid", 1, connection=connection)
        await run.signal("paid", 2, connection=connection)
    assert (await run.wait(30)).steps["tell"].output == [1, 2]


async def test_an_unknown_run_is_told_of_and_the_transaction_goes_on(start: Start, business: Business) -> None:
    orchestrator: FlowOrchestrator = await start(MANIFEST)
    with business.engine.begin() as connection:
        with pytest.raises(RunNotFound):
            await orchestrator.signal(uuid4(), "paid", connection=connection)
        connection.execute(business.insert, {"name": "payment"})
    assert business.names() == ["payment"]


def test_blocking_code_signals_in_its_transaction(backend: Backend, business: Business) -> None:
    builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime()
    steps = {"wait": Step(type="WaitForSignal")}
    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps)
    with builder.add_flow(flow_of(manifest)).configure(poll_interval_seconds=0.05).build().sync as flows:
        run = flows.trigger(FLOW_ID)
        with business.engine.begin() as connection:
            run.signal("default", "paid", connection=connection)
        assert run.wait(30).steps["wait"].output == "paid"
        assert [signal.payload for signal in flows.list_signals(run.run_id)] == ["paid"]
