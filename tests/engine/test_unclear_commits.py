"""What people ask for, when the connection breaks during the commit: done once, and answered for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from floworch import FlowOrchestrator, ForEach, RetryPolicy, RunHandle, Step
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, BatchResult, Claim
from floworch.errors import CommitUnclear
from tests.engine.workbench import FLOW_ID, SharedMemory, orchestrator

_LATER = RetryPolicy(max_attempts=2, backoff="fixed", initial=3600, jitter=False)
_STEPS: dict[str, Step | ForEach] = {
    "hold": Step(type="Hold"),
    "later": Step(type="Boom", retry=_LATER),
    "wait": Step(type="WaitForSignal", inputs={"signalName": "go", "timeoutSeconds": 1}),
    "items": ForEach(for_each=[1], steps={"fails": Step(type="Boom")}),
    "held": ForEach(for_each=[1], steps={"x": Step(type="Hold")}),
}
_Ask = Callable[[RunHandle], Awaitable[Any]]
_Fate = Literal["happens", "is lost"]


class BreakingStore(SharedMemory):
    """The connection breaks once, during the first commit after :meth:`break_once` with a fact of that type."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._breaks: tuple[str, _Fate] | None = None
        self.claims_of_others: list[Claim] = []
        """Won right after that commit, before anybody can look what became of it."""

    def break_once(self, kind: str, fate: _Fate) -> None:
        self._breaks = (kind, fate)

    async def commit(self, batch: Batch) -> BatchResult:
        writes = (*batch.creations, *batch.advances)
        kinds = {fact["type"] for write in writes for fact in write.facts}
        if self._breaks is None or self._breaks[0] not in kinds:
            return await super().commit(batch)
        (_, fate), self._breaks = self._breaks, None
        if fate == "happens":
            await super().commit(batch)
            await super().commit(Batch(claims=self.claims_of_others))
        raise CommitUnclear("the connection broke before the answer came")


async def hold() -> None:
    await asyncio.sleep(100_000)


async def boom() -> None:
    raise ValueError("boom")


@pytest.mark.parametrize("fate", ["happens", "is lost"])
@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("run.suspended", lambda run: run.suspend("wait a moment", by="Ann")),
        ("run.stop_requested", lambda run: run.cancel("enough", by="Ann")),
        ("step.retried", lambda run: run.retry("items.0.fails", by="Ann")),
        ("step.retried", lambda run: run.retry("wait", by="Ann")),
        ("step.completed", lambda run: run.complete_step("held.0.x", 1, by="Ann")),
        ("step.failed", lambda run: run.fail_step("held.0.x", "hopeless", by="Ann")),
        ("step.skipped", lambda run: run.skip_step("hold", "not needed", by="Ann")),
        ("step.run_now", lambda run: run.run_step_now("later", by="Ann")),
    ],
    ids=["suspend", "cancel", "retry in a loop", "retry a wait", "complete", "fail", "skip", "run now"],
)
async def test_what_is_asked_of_a_run_is_done_once(kind: str, ask: _Ask, fate: _Fate) -> None:
    await _ask_while_it_breaks(kind, ask, fate)


@pytest.mark.parametrize("fate", ["happens", "is lost"])
@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("run.resumed", lambda run: run.resume(by="Ann")),
        ("step.retried", lambda run: run.retry("items.0.fails", by="Ann")),
        ("step.completed", lambda run: run.complete_step("hold", 1, by="Ann")),
    ],
    ids=["resume", "retry", "complete"],
)
async def test_what_is_asked_of_a_suspended_run_is_done_once(kind: str, ask: _Ask, fate: _Fate) -> None:
    await _ask_while_it_breaks(kind, ask, fate, suspended=True)


@pytest.mark.parametrize("fate", ["happens", "is lost"])
async def test_all_failed_steps_are_retried_once_and_named(fate: _Fate) -> None:
    told = await _ask_while_it_breaks("step.retried", lambda run: run.retry_failed(by="Ann"), fate, times=2)
    assert sorted(told.retried) == ["items.0.fails", "wait"]


@pytest.mark.parametrize("fate", ["happens", "is lost"])
@pytest.mark.parametrize("ask", [lambda run: run.rerun(), lambda run: run.fork("wait")], ids=["rerun", "fork"])
async def test_a_run_is_copied_once(ask: _Ask, fate: _Fate) -> None:
    async with _flows() as flows:
        run = await _at_rest(flows)
        _store(flows).break_once("run.started", fate)
        copy = await ask(run)
        assert {each.id for each in (await flows.list_runs()).runs} == {run.run_id, copy.run_id}


async def test_a_step_that_another_process_takes_at_once_has_been_hurried() -> None:
    async with _flows() as flows:
        run, store = await _at_rest(flows), _store(flows)
        store.claims_of_others = [Claim(run.run_id, "later", 1, "another", 30.0, datetime.now(UTC))]
        store.break_once("step.run_now", "happens")
        await run.run_step_now("later")
        [step] = await store.list_steps(run.run_id, keys=frozenset({"later"}))
        assert step.owner == "another"


async def _ask_while_it_breaks(kind: str, ask: _Ask, fate: _Fate, *, suspended: bool = False, times: int = 1) -> Any:
    async with _flows() as flows:
        run = await _at_rest(flows)
        if suspended:
            await run.suspend()
        _store(flows).break_once(kind, fate)
        answer = await ask(run)
        done = [event.type for event in await _store(flows).list_events(run.run_id) if event.data.get("by") == "Ann"]
        assert done == [kind] * times
        return answer


def _flows() -> FlowOrchestrator:
    return orchestrator(_STEPS, {"Hold": hold, "Boom": boom}, store=BreakingStore)


async def _at_rest(flows: FlowOrchestrator) -> RunHandle:
    """A run whose every step runs, waits for an hour, or has failed."""
    run = await flows.trigger(FLOW_ID)
    await asyncio.sleep(5)
    return run


def _store(flows: FlowOrchestrator) -> BreakingStore:
    store = flows._store
    assert isinstance(store, BreakingStore)
    return store
