"""What a handler writes in its transaction is there if and only if its step has completed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import exc as sa_exc

from floworch import (
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    ManualTrigger,
    RetryPolicy,
    RunStatus,
    Step,
    StepContext,
    StepResult,
    StepStatus,
    step_handler,
)
from floworch.core.handlers.transactions import BlockingTransaction, Transaction
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import LeaseKey, LeaseState, Storage
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.business import Business

FLOW_ID = UUID(int=0x7A)
SOON = {"poll_interval_seconds": 0.05, "cancel_grace_seconds": 0.05, "drain_seconds": 0.1}
Start = Callable[..., Any]


class Notes:
    """What the handlers of one test share with it."""

    def __init__(self, business: Business) -> None:
        self.business = business
        self.calls: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self.entered = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self._arrived = 0
        self._all_are_here = asyncio.Event()
        self.thread_may_go_on = threading.Event()
        self.thread_is_done = threading.Event()

    async def meet(self) -> None:
        """Wait until two handlers have come here."""
        self._arrived += 1
        if self._arrived == 2:
            self._all_are_here.set()
        await self._all_are_here.wait()


@pytest.fixture
async def business(backend: Backend) -> AsyncIterator[Business]:
    if backend.name == "memory":
        pytest.skip("memory has no transactions to share")
    table = Business(backend.application_url)
    yield table
    table.close()


@pytest.fixture
def notes(business: Business) -> Notes:
    return Notes(business)


@pytest.fixture
async def start(backend: Backend, notes: Notes) -> AsyncIterator[Start]:
    """Start an orchestrator on the backend with the given handlers and one flow of the given steps."""
    async with AsyncExitStack() as stack:

        async def start_one(*handlers: Any, steps: dict[str, Step] | None = None, **settings: Any) -> FlowOrchestrator:
            manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps or {"write": Step(type="Write")})
            make = settings.pop("make", backend.make)
            builder = FlowOrchestrator.builder().use_storage(make).use_asyncio_runtime(concurrency=32)
            builder.add_flow(FlowDefinition(id=FLOW_ID, name="Orders", manifest=manifest))
            builder.add_handlers(*handlers).add_service(notes).configure(**(SOON | settings))
            return await stack.enter_async_context(builder.build())

        yield start_one


async def run_of(orchestrator: FlowOrchestrator, **arguments: Any) -> Any:
    return await (await orchestrator.trigger(FLOW_ID, **arguments)).wait(timeout=60)


async def write(ctx: StepContext, tx: Transaction, name: str | None = None) -> None:
    await tx.execute(ctx.service(Notes).business.insert, {"name": name or ctx.step_key})


# -- the step completes


async def test_a_row_is_there_when_its_step_has_succeeded(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> str:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
        assert ctx.service(Notes).business.names() == []
        return "written"

    result = await run_of(await start(handler))
    assert (result.status, result.steps["write"].output) == (RunStatus.SUCCEEDED, "written")
    assert notes.business.names() == ["write"]


async def test_a_sync_handler_writes_without_await(start: Start, notes: Notes) -> None:
    def insert(tx: BlockingTransaction, ctx: StepContext) -> int:
        inserted = tx.execute(notes.business.insert, {"name": "one"}).row_count
        tx.run(lambda connection: connection.execute(notes.business.insert, {"name": "two"}))
        return inserted

    @step_handler("Write")
    def handler(ctx: StepContext) -> int:
        with ctx.transaction() as tx:
            return insert(tx, ctx)

    result = await run_of(await start(handler))
    assert result.steps["write"].output == 1
    assert notes.business.names() == ["one", "two"]


async def test_rows_of_a_step_that_defers_are_kept_at_every_call(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> Any:
        async with ctx.transaction() as tx:
            await write(ctx, tx, f"attempt {ctx.attempt}")
        return "done" if ctx.attempt == 3 else ctx.defer(0.01)

    result = await run_of(await start(handler))
    assert result.status is RunStatus.SUCCEEDED
    assert notes.business.names() == ["attempt 1", "attempt 2", "attempt 3"]


async def test_a_row_of_a_step_that_skips_itself_is_kept(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> StepResult:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
        return StepResult.skipped("nothing more to do")

    result = await run_of(await start(handler))
    assert result.steps["write"].status is StepStatus.SKIPPED
    assert notes.business.names() == ["write"]


async def test_the_steps_of_a_chain_each_have_a_transaction(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext, before: str = "") -> str:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
        return before + ctx.step_key

    steps = {
        "a": Step(type="Write"),
        "b": Step(type="Write", run_after=["a"], inputs={"before": "@steps('a').output"}),
        "c": Step(type="Write", run_after={"b": {"when": "@steps('b').output == 'ab'"}}, inputs={"before": "!"}),
    }
    result = await run_of(await start(handler, steps=steps))
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["c"].output == "!c"
    assert notes.business.names() == ["a", "b", "c"]


async def test_a_block_without_a_statement_changes_nothing(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> str:
        async with ctx.transaction():
            return "nothing"

    result = await run_of(await start(handler))
    assert result.steps["write"].output == "nothing"


@pytest.mark.parametrize("executor", ["loop", "thread"])
async def test_many_steps_at_once_each_write_their_row_once(start: Start, notes: Notes, executor: str) -> None:
    @step_handler("OnLoop")
    async def on_loop(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            await write(ctx, tx, f"{ctx.run_id.hex[-12:]} {ctx.step_key}")

    @step_handler("OnThread")
    def on_thread(ctx: StepContext) -> None:
        with ctx.transaction() as tx:
            tx.execute(notes.business.insert, {"name": f"{ctx.run_id.hex[-12:]} {ctx.step_key}"})

    kind = "OnLoop" if executor == "loop" else "OnThread"
    steps = {f"s{number}": Step(type=kind) for number in range(10)}
    steps["plain"] = Step(type="LogMessage", inputs={"message": "no transaction"})
    steps["last"] = Step(type=kind, run_after=list(steps))
    orchestrator = await start(on_loop, on_thread, steps=steps)
    results = await asyncio.gather(*(run_of(orchestrator) for _ in range(8)))
    assert {result.status for result in results} == {RunStatus.SUCCEEDED}
    assert {step.attempt for result in results for step in result.steps.values()} == {1}
    assert len(notes.business.names()) == 8 * 11


async def test_a_transaction_may_last_longer_than_the_lease(start: Start, notes: Notes) -> None:
    """Heartbeats go on beside it; on SQLite they cannot, but neither can anybody else take the step."""

    @step_handler("Write")
    async def handler(ctx: StepContext) -> int:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
            await asyncio.wait({asyncio.ensure_future(notes.may_go_on.wait())}, timeout=4.0)
        return ctx.attempt

    # A heartbeat is a commit, and a disk that others use may hold it up for a second.
    result = await run_of(await start(handler, lease_seconds=3.0, heartbeat_seconds=0.1))
    assert result.steps["write"].output == 1
    assert notes.business.names() == ["write"]


# -- the attempt fails


async def test_rows_of_failed_attempts_are_undone(start: Start, notes: Notes) -> None:
    @step_handler("Write", retry=RetryPolicy(max_attempts=3, initial=0.01))
    async def handler(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            await write(ctx, tx, f"attempt {ctx.attempt}")
        if ctx.attempt < 3:
            raise ConnectionError("the mail server is away")

    result = await run_of(await start(handler))
    assert result.status is RunStatus.SUCCEEDED
    assert notes.business.names() == ["attempt 3"]


@pytest.mark.parametrize("where", ["inside", "outside", "result"])
async def test_a_row_of_a_failed_step_is_undone(start: Start, notes: Notes, where: str) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> Any:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
            if where == "inside":
                raise ValueError(where)
        if where == "outside":
            raise ValueError(where)
        return StepResult.failed(where)

    result = await run_of(await start(handler))
    assert result.status is RunStatus.FAILED
    assert result.steps["write"].error["message"] == where
    assert notes.business.names() == []


async def test_an_error_that_the_handler_handles_outside_the_block_undoes_the_block_alone(
    start: Start, notes: Notes
) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> str:
        try:
            async with ctx.transaction() as tx:
                await write(ctx, tx, "same")
                await write(ctx, tx, "same")
        except sa_exc.IntegrityError:
            return "known already"
        return "new"

    result = await run_of(await start(handler))
    assert result.steps["write"].output == "known already"
    assert notes.business.names() == []


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_a_row_of_an_attempt_that_timed_out_is_undone(start: Start, notes: Notes, kind: str) -> None:
    @step_handler("OnLoop", timeout=0.3)
    async def on_loop(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
            await asyncio.Event().wait()

    @step_handler("OnThread", timeout=0.3)
    def on_thread(ctx: StepContext) -> None:
        try:
            with ctx.transaction() as tx:
                tx.execute(notes.business.insert, {"name": "one"})
                notes.thread_may_go_on.wait(30)
                tx.execute(notes.business.insert, {"name": "two"})
        except Exception as error:
            notes.errors.append(error)
            raise
        finally:
            notes.thread_is_done.set()

    step = Step(type="OnLoop" if kind == "loop" else "OnThread")
    result = await run_of(await start(on_loop, on_thread, steps={"write": step}))
    assert result.steps["write"].error["type"] == "Timeout"
    notes.business.add("others may write")
    if kind == "thread":
        notes.thread_may_go_on.set()
        assert await asyncio.to_thread(notes.thread_is_done.wait, 30)
        assert "is over" in str(notes.errors[0])
    assert notes.business.names() == ["others may write"]


async def test_a_statement_that_does_not_end_is_interrupted_by_the_timeout(start: Start, notes: Notes) -> None:
    @step_handler("Write", timeout=0.5)
    async def handler(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
            await tx.execute(notes.business.endless)

    result = await run_of(await start(handler))
    assert result.steps["write"].error["type"] == "Timeout"
    assert notes.business.names() == []


async def test_a_row_of_a_run_that_was_cancelled_is_undone(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            if notes.business.engine.dialect.name != "sqlite":
                await write(ctx, tx)
            notes.entered.set()
            await asyncio.Event().wait()

    orchestrator = await start(handler)
    run = await orchestrator.trigger(FLOW_ID)
    await asyncio.wait_for(notes.entered.wait(), 30)
    await run.cancel("changed my mind")
    result = await run.wait(timeout=30)
    assert result.status is RunStatus.CANCELLED
    assert notes.business.names() == []


async def test_an_error_that_the_handler_swallows_fails_the_attempt_where_it_broke_the_transaction(
    start: Start, notes: Notes
) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> str:
        async with ctx.transaction() as tx:
            await write(ctx, tx, "same")
            try:
                await write(ctx, tx, "same")
            except sa_exc.IntegrityError:
                return "swallowed"
        return "no error"

    result = await run_of(await start(handler))
    if notes.business.engine.dialect.name == "postgresql":
        assert result.steps["write"].error["type"] == "TransactionFailed"
        assert "duplicate key" in result.steps["write"].error["message"]
        assert notes.business.names() == []
    else:
        assert result.steps["write"].output == "swallowed"
        assert notes.business.names() == ["same"]


async def test_what_the_database_refuses_at_the_commit_fails_the_step(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> str:
        notes.calls["write"] += 1
        async with ctx.transaction() as tx:
            await tx.execute(notes.business.insert_orphan, {"name": "orphan"})
        return "never"

    result = await run_of(await start(handler))
    error = result.steps["write"].error
    assert (error["type"], notes.calls["write"]) == ("TransactionFailed", 1)
    assert "could not be committed with the step" in error["message"]
    assert notes.business.names() == []


async def test_a_block_that_is_still_open_when_the_handler_ends_fails_the_step(start: Start, notes: Notes) -> None:
    left: list[Any] = []

    @step_handler("Write")
    async def handler(ctx: StepContext) -> None:
        block = ctx.transaction()
        left.append(block)
        await write(ctx, await block.__aenter__())

    result = await run_of(await start(handler))
    assert result.steps["write"].error["type"] == "TransactionLeftOpen"
    assert notes.business.names() == []
    await left[0].__aexit__(None, None, None)


async def test_a_second_transaction_of_an_attempt_is_refused(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
        ctx.transaction()

    result = await run_of(await start(handler))
    assert "second transaction" in result.steps["write"].error["message"]
    assert notes.business.names() == []


async def test_a_blocking_transaction_on_the_event_loop_is_refused(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> None:
        with ctx.transaction():
            raise AssertionError("not reached")

    result = await run_of(await start(handler))
    assert "async with" in result.steps["write"].error["message"]


async def test_a_transaction_that_is_used_after_its_block_is_refused(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            await write(ctx, tx)
        await write(ctx, tx, "too late")

    result = await run_of(await start(handler))
    assert "was left" in result.steps["write"].error["message"]
    assert notes.business.names() == []


async def test_a_handler_whose_connection_broke_is_called_again_without_a_retry_policy(
    start: Start, notes: Notes
) -> None:
    if notes.business.engine.dialect.name == "sqlite":
        pytest.skip("there is no connection that could break")

    @step_handler("Write")
    async def handler(ctx: StepContext) -> int:
        async with ctx.transaction() as tx:
            await write(ctx, tx, f"attempt {ctx.attempt}")
            if ctx.attempt == 1:
                await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return ctx.attempt

    result = await run_of(await start(handler))
    assert result.steps["write"].output == 2
    assert notes.business.names() == ["attempt 2"]


async def test_handlers_that_lock_each_other_out_are_called_again(start: Start, notes: Notes) -> None:
    if notes.business.engine.dialect.name == "sqlite":
        pytest.skip("writers wait for each other before they lock anything")

    @step_handler("Write")
    async def handler(ctx: StepContext) -> None:
        first, second = ("x", "y") if ctx.step_key == "a" else ("y", "x")
        async with ctx.transaction() as tx:
            await tx.execute(lock, {"name": first})
            if ctx.attempt == 1:
                await notes.meet()
            await tx.execute(lock, {"name": second})

    lock = f"UPDATE {notes.business.table} SET name = name WHERE name = :name"
    notes.business.add("x")
    notes.business.add("y")
    result = await run_of(await start(handler, steps={"a": Step(type="Write"), "b": Step(type="Write")}))
    assert result.status is RunStatus.SUCCEEDED
    assert sorted(step.attempt for step in result.steps.values()) == [1, 2]


async def test_storage_without_transactions_fails_the_step_and_says_which_have_them() -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> None:
        async with ctx.transaction() as tx:
            await tx.execute("SELECT 1")

    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps={"write": Step(type="Write")})
    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime().add_handlers(handler)
    async with builder.add_flow(FlowDefinition(id=FLOW_ID, name="Orders", manifest=manifest)).build() as orchestrator:
        result = await run_of(orchestrator)
    assert result.steps["write"].error["type"] == "ConfigurationError"
    assert "SQLite, PostgreSQL and SQL Server" in result.steps["write"].error["message"]


# -- the worker dies, or somebody else has taken the step


async def test_a_row_of_a_fenced_attempt_is_undone_and_that_of_its_successor_is_kept(
    start: Start, backend: Backend, notes: Notes
) -> None:
    """The first attempt loses its lease before it has written; its completion then comes too late."""

    @step_handler("Write")
    async def handler(ctx: StepContext) -> int:
        notes.calls["write"] += 1
        async with ctx.transaction() as tx:
            if ctx.attempt == 1:
                notes.entered.set()
                await notes.may_go_on.wait()
            await write(ctx, tx, f"attempt {ctx.attempt}")
        return ctx.attempt

    silent = await start(
        handler, lease_seconds=0.3, heartbeat_seconds=0.1, drain_seconds=30, make=lambda clock: silenced(backend, clock)
    )
    run = await silent.trigger(FLOW_ID)
    await asyncio.wait_for(notes.entered.wait(), 30)
    result = await run.wait(timeout=60)
    assert result.steps["write"].output == 2
    notes.may_go_on.set()
    await silent.stop()  # waits for the first attempt, which ends only now
    assert notes.business.names() == ["attempt 2"]
    assert notes.calls["write"] == 2


async def test_a_worker_that_stops_undoes_and_hands_the_step_back(start: Start, notes: Notes) -> None:
    @step_handler("Write")
    async def handler(ctx: StepContext) -> int:
        async with ctx.transaction() as tx:
            await write(ctx, tx, f"attempt {ctx.attempt}")
            if ctx.attempt == 1:
                notes.entered.set()
                await asyncio.Event().wait()
        return ctx.attempt

    first = await start(handler)
    run = await first.trigger(FLOW_ID)
    await asyncio.wait_for(notes.entered.wait(), 30)
    await first.stop()
    second = await start(handler)
    result = await second.wait(run.run_id, timeout=30)
    assert result.steps["write"].output == 2
    assert notes.business.names() == ["attempt 2"]


def silenced(backend: Backend, clock: Clock) -> Storage:
    """A store whose heartbeats get lost on the way, while everything else works."""
    store = backend.make(clock)

    async def renew(owner: str, leases: Mapping[LeaseKey, float]) -> dict[LeaseKey, LeaseState]:
        return dict.fromkeys(leases, LeaseState.HELD)

    setattr(store, "renew", renew)  # noqa: B010 - assigning to a method is what type checkers refuse
    return store
