"""The network to PostgreSQL fails at chosen moments, under an orchestrator with work in its hands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import psycopg
import pytest
import structlog
from sqlalchemy import make_url

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, RunStatus, Step, StepContext, step_handler
from floworch.errors import CommitUnclear, StorageUnavailable
from tests.servers.postgresql import PostgresqlServer
from tests.servers.proxy import Network, Trouble

pytestmark = pytest.mark.chaos

_FACT = b'"step.'
"""Of the history: it travels with the commit, which says nothing else in words after the first time."""
NO_LEASE_RUNS_OUT = {"lease_seconds": 600.0, "heartbeat_seconds": 0.5}
Start = Callable[..., Any]


class Events:
    """Lets a test and a handler meet."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.calls: list[tuple[str, int]] = []


@step_handler("Step")
async def step(ctx: StepContext, value: Any = None) -> Any:
    ctx.service(Events).calls.append((ctx.step_key, ctx.attempt))
    return value if value is None else len(value)


@step_handler("Slow")
async def slow(ctx: StepContext) -> str:
    events = ctx.service(Events)
    events.calls.append((ctx.step_key, ctx.attempt))
    events.began.set()
    await events.may_end.wait()
    return "the result"


@step_handler("Large")
async def large(ctx: StepContext) -> str:
    ctx.service(Events).calls.append((ctx.step_key, ctx.attempt))
    return "x" * 100_000


class Chain(FlowDefinition):
    id = UUID(int=0xE1)
    manifest = FlowManifest(steps={f"s{n}": Step(type="Step", run_after=[f"s{n - 1}"] if n else []) for n in range(4)})


class Slowly(FlowDefinition):
    id = UUID(int=0xE2)
    manifest = FlowManifest(steps={"slow": Step(type="Slow"), "after": Step(type="Step", run_after=["slow"])})


class Largely(FlowDefinition):
    """The second step has to read what the first one put out: it is too large to be kept in memory."""

    id = UUID(int=0xE3)
    manifest = FlowManifest(
        steps={
            "large": Step(type="Large"),
            "after": Step(type="Step", run_after=["large"], inputs={"value": "@steps('large').output"}),
        }
    )


@pytest.fixture
def network(chaos_server: PostgresqlServer) -> Iterator[Network]:
    network = Network(chaos_server.port)
    yield network
    network.close()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def said() -> Iterator[list[Any]]:
    """What is logged as a warning or worse."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
async def start(database: str, network: Network, events: Events, said: list[Any]) -> AsyncIterator[Start]:
    """Start an orchestrator behind the network. All are stopped at the end."""
    url = make_url(database).set(port=network.port).render_as_string(hide_password=False)
    async with AsyncExitStack() as stack:

        async def start_one(*, is_managed: bool = True, **settings: Any) -> FlowOrchestrator:
            builder = FlowOrchestrator.builder().use_postgresql(url, lock_timeout_seconds=0.3)
            builder.use_asyncio_runtime(concurrency=8).add_flow(Chain, Slowly, Largely).add_handlers(step, slow, large)
            builder.add_service(events).configure(
                **({"poll_interval_seconds": 0.1, "drain_seconds": 0.2} | NO_LEASE_RUNS_OUT | settings)
            )
            orchestrator = builder.build()
            if is_managed:
                return await stack.enter_async_context(orchestrator)
            await orchestrator.start()
            return orchestrator

        yield start_one
        network.come_up()


async def test_results_are_kept_until_they_can_be_committed(
    start: Start, network: Network, events: Events, said: list[Any]
) -> None:
    orchestrator = await start()
    run = await orchestrator.trigger(Slowly)
    await _soon(events.began.wait())
    assert orchestrator.is_healthy

    network.go_down()
    connections = network.connections
    events.may_end.set()
    await asyncio.sleep(4.0)
    assert not orchestrator.is_healthy
    # Commits, polls and heartbeats, each with pauses of up to two seconds; a busy loop would try thousands of times.
    assert network.connections - connections < 60
    assert len(said) < 12, said

    network.come_up()
    result = await run.wait(timeout=30)
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["slow"].output == "the result"
    assert events.calls == [("slow", 1), ("after", 1)]
    await _until(lambda: orchestrator.is_healthy)
    assert [each["event"] for each in said].count("storage_available") == 1


async def test_triggers_fail_at_once_and_start_nothing(start: Start, network: Network) -> None:
    orchestrator = await start()
    network.go_down()
    for _ in range(20):
        began = time.monotonic()
        with pytest.raises(StorageUnavailable) as error:
            await orchestrator.trigger(Chain)
        assert not isinstance(error.value, CommitUnclear)
        assert time.monotonic() - began < 1.0
    network.come_up()
    await _until(lambda: orchestrator.is_healthy)
    assert (await orchestrator.list_runs()).runs == []
    await orchestrator.trigger(Chain)


async def test_a_process_that_only_triggers_finds_out_when_the_store_is_back(start: Start, network: Network) -> None:
    """A readiness probe that stays red keeps the requests away that would turn it green."""
    orchestrator = await start(is_managed=False)
    await orchestrator.stop()
    client = await start()
    network.go_down()
    with pytest.raises(StorageUnavailable):
        await client.trigger(Chain)
    assert not client.is_healthy
    network.come_up()
    await _until(lambda: client.is_healthy)


@pytest.mark.parametrize("trouble", [Trouble.LOST_REQUEST, Trouble.LOST_ANSWER])
@pytest.mark.parametrize("key", [None, "a-key"])
async def test_a_trigger_whose_commit_is_unclear_is_one_run_and_is_answered(
    start: Start, network: Network, events: Events, trouble: Trouble, key: str | None
) -> None:
    orchestrator = await start(poll_interval_seconds=600.0)
    network.cut_off_at(b"run.started", trouble)
    run = await _soon(orchestrator.trigger(Chain, idempotency_key=key))
    assert network.is_cut
    assert not run.duplicate
    result = await run.wait(timeout=30)
    assert result.status is RunStatus.SUCCEEDED
    assert len((await orchestrator.list_runs()).runs) == 1
    assert events.calls == [(f"s{n}", 1) for n in range(4)]


@pytest.mark.parametrize("trouble", [Trouble.LOST_REQUEST, Trouble.LOST_ANSWER])
@pytest.mark.parametrize("commit", range(1, 5))
async def test_no_unclear_commit_loses_or_repeats_a_step(
    start: Start, network: Network, events: Events, trouble: Trouble, commit: int
) -> None:
    """No lease runs out here: a step that was claimed in an unclear commit, and that nobody knew of, would hang."""
    orchestrator = await start()
    network.cut_off_at(_FACT, trouble, after=commit)
    run = await orchestrator.trigger(Chain)
    result = await run.wait(timeout=30)
    assert network.is_cut
    assert result.status is RunStatus.SUCCEEDED
    assert events.calls == [(f"s{n}", 1) for n in range(4)]
    kinds = [event.type async for event in run.events(follow=False)]
    assert "step.lost" not in kinds


@pytest.mark.parametrize("trouble", [Trouble.LOST_REQUEST, Trouble.LOST_ANSWER])
@pytest.mark.parametrize(
    ("words", "after"), [(b"COMMIT", 0), (b"COMMIT", 1), *((_FACT, commit) for commit in range(3))]
)
async def test_no_unclear_commit_after_a_start_forgets_a_claim(
    start: Start, network: Network, events: Events, trouble: Trouble, words: bytes, after: int
) -> None:
    client = await start(is_managed=False)
    run = await client.trigger(Slowly)
    await _soon(events.began.wait())
    await client.stop()  # hands the step back
    events.may_end.set()
    events.calls.clear()
    network.cut_off_at(words, trouble, after=after)  # COMMIT: what makes the flows and their limits known
    worker = await start()
    result = await worker.wait(run.run_id, timeout=30)
    assert network.is_cut
    assert result.status is RunStatus.SUCCEEDED
    assert events.calls == [("slow", 2), ("after", 1)]


@pytest.mark.parametrize("trouble", [Trouble.LOST_REQUEST, Trouble.LOST_ANSWER])
async def test_a_cancel_whose_commit_is_unclear_is_answered(
    start: Start, network: Network, events: Events, trouble: Trouble
) -> None:
    """The one that was asked for: that the run is being stopped already is no answer to who has stopped it."""
    orchestrator = await start(heartbeat_seconds=300.0)
    run = await orchestrator.trigger(Slowly)
    await _soon(events.began.wait())
    network.cut_off_at(b"run.stop_requested", trouble)
    await _soon(run.cancel("enough"))
    assert network.is_cut
    events.may_end.set()
    assert (await run.wait(timeout=30)).status is RunStatus.CANCELLED
    kinds = [event.type async for event in run.events(follow=False)]
    assert kinds.count("run.stop_requested") == 1


async def test_an_outage_while_inputs_are_read_is_waited_for(start: Start, network: Network, events: Events) -> None:
    orchestrator = await start()
    network.cut_off_at(b'"payload"', Trouble.OUTAGE)
    network.cut_off_at(b".payload", Trouble.OUTAGE)
    run = await orchestrator.trigger(Largely)
    await _until(lambda: network.is_cut)
    await asyncio.sleep(1.0)
    network.come_up()
    result = await run.wait(timeout=30)
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["after"].output == 100_000
    assert events.calls == [("large", 1), ("after", 1)]


async def test_waiting_for_a_run_outlives_an_outage(start: Start, network: Network, events: Events) -> None:
    orchestrator, client = await start(), await start()
    run = await orchestrator.trigger(Slowly)
    waiting = asyncio.ensure_future(client.wait(run.run_id, timeout=60))
    await _soon(events.began.wait())
    network.go_down()
    await asyncio.sleep(2.0)
    events.may_end.set()
    network.come_up()
    assert (await waiting).status is RunStatus.SUCCEEDED


async def test_an_outage_that_is_longer_than_the_lease_loses_no_attempt(
    start: Start, network: Network, events: Events, said: list[Any]
) -> None:
    """When the store is back, everybody has the time of a lease to come back before anything counts as lost."""
    settings = {"lease_seconds": 3.0, "heartbeat_seconds": 0.5}
    orchestrator, other = await start(**settings), await start(**settings)
    run = await orchestrator.trigger(Slowly)
    await _soon(events.began.wait())
    network.go_down()
    await asyncio.sleep(6.0)
    network.come_up()
    await _until(lambda: orchestrator.is_healthy and other.is_healthy)
    await asyncio.sleep(3.0)
    events.may_end.set()
    assert (await run.wait(timeout=30)).status is RunStatus.SUCCEEDED
    assert events.calls == [("slow", 1), ("after", 1)], "\n".join(map(str, said))


async def test_stopping_during_an_outage_takes_no_longer_than_draining(
    start: Start, network: Network, events: Events
) -> None:
    orchestrator = await start(is_managed=False)
    await orchestrator.trigger(Slowly)
    await _soon(events.began.wait())
    network.go_down()
    events.may_end.set()
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await orchestrator.stop()
    assert time.monotonic() - began < 5.0


async def test_a_run_that_somebody_holds_a_lock_on_does_not_hold_up_the_others(
    start: Start, database: str, events: Events
) -> None:
    orchestrator = await start()
    held_up = await orchestrator.trigger(Slowly)
    await _soon(events.began.wait())
    with psycopg.connect(database) as other:
        other.execute("SELECT FROM floworch.run WHERE id = %s FOR UPDATE", [held_up.run_id])
        events.may_end.set()
        for _ in range(3):
            run = await orchestrator.trigger(Chain)
            assert (await run.wait(timeout=30)).status is RunStatus.SUCCEEDED
        assert orchestrator.is_healthy
        assert await held_up.status() is RunStatus.RUNNING
        other.rollback()
    assert (await held_up.wait(timeout=30)).status is RunStatus.SUCCEEDED
    assert events.calls.count(("slow", 1)) == 1


async def test_a_lock_on_everything_is_an_outage(start: Start, database: str, events: Events) -> None:
    orchestrator = await start()
    run = await orchestrator.trigger(Slowly)
    await _soon(events.began.wait())
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE floworch.run IN ACCESS EXCLUSIVE MODE")
        events.may_end.set()
        with pytest.raises(StorageUnavailable):
            await orchestrator.trigger(Chain)
        await asyncio.sleep(1.0)
        other.rollback()
    assert (await run.wait(timeout=30)).status is RunStatus.SUCCEEDED
    await _until(lambda: orchestrator.is_healthy)


async def _soon(awaitable: Any) -> Any:
    return await asyncio.wait_for(awaitable, 30)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)
