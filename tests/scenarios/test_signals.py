"""Runs that wait for signals, on every storage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from floworch import (
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    ManualTrigger,
    RetryPolicy,
    RunHandle,
    RunNotFound,
    RunStatus,
    SignalNotExpected,
    SignalRefused,
    SignalStatus,
    Step,
)
from tests.scenarios.world import World

Start = Callable[..., Any]
SCHEMA = {"type": "object", "required": ["by"]}


def waits(name: str = "approved", *after: str, **inputs: Any) -> Step:
    retry = inputs.pop("retry", None)
    return Step(type="WaitForSignal", run_after=list(after), retry=retry, inputs={"signalName": name, **inputs})


def echo(value: Any, *after: str) -> Step:
    return Step(type="Echo", run_after=list(after), inputs={"value": value})


def flow(**steps: Step | ForEach) -> FlowManifest:
    return FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps)


async def parked(orchestrator: FlowOrchestrator, run: RunHandle, step_key: str = "wait") -> None:
    async with asyncio.timeout(30):
        async for event in orchestrator.events(run.run_id):
            if event.type == "step.pending" and event.step_key == step_key:
                return


async def test_a_signal_wakes_the_step_that_waits_for_it(start: Start) -> None:
    orchestrator = await start(
        flow(ask=echo(1), wait=waits("approved", "ask"), tell=echo("@steps('wait').output", "wait"))
    )
    run = await orchestrator.trigger("Scenario")
    await parked(orchestrator, run)
    sent = await run.signal("approved", {"by": "Ada"})
    assert (sent.status, sent.step_key) == (SignalStatus.DELIVERED, "wait")
    result = await run.wait(30)
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["tell"].output == {"by": "Ada"}
    assert result.steps["wait"].output == {"by": "Ada"}


async def test_a_signal_that_comes_first_is_kept(start: Start, world: World) -> None:
    orchestrator = await start(flow(gate=Step(type="Gate"), wait=waits("approved", "gate")))
    run = await orchestrator.trigger("Scenario")
    await world.until_reached("gate")
    sent = await run.signal("approved", [1, 2.5, None])
    assert (sent.status, sent.step_key) == (SignalStatus.BUFFERED, None)
    [kept] = await orchestrator.list_signals(run.run_id)
    assert (kept.id, kept.name, kept.payload, kept.taken_by) == (sent.signal_id, "approved", [1, 2.5, None], None)
    world.open_gate("gate")
    result = await run.wait(30)
    assert result.steps["wait"].output == [1, 2.5, None]
    [taken] = await orchestrator.list_signals(run.run_id)
    assert (taken.taken_by, taken.taken_attempt) == ("wait", 1)
    assert taken.taken_at is not None


async def test_a_signal_for_which_nobody_waits_stays_in_the_mailbox(start: Start) -> None:
    orchestrator = await start(flow(wait=waits()))
    run = await orchestrator.trigger("Scenario")
    assert (await run.signal("other")).status is SignalStatus.BUFFERED
    assert (await run.signal("approved")).status is SignalStatus.DELIVERED
    assert (await run.wait(30)).status is RunStatus.SUCCEEDED
    assert [signal.taken_by for signal in await orchestrator.list_signals(run.run_id)] == [None, "wait"]


async def test_a_deduplication_id_counts_once(start: Start) -> None:
    orchestrator = await start(flow(wait=waits(quorum=2)))
    run = await orchestrator.trigger("Scenario")
    first = await run.signal("approved", 1, deduplication_id="a")
    again = await run.signal("approved", 2, deduplication_id="a")
    assert (first.status, again.status) == (SignalStatus.DELIVERED, SignalStatus.ALREADY_DELIVERED)
    assert again.signal_id == first.signal_id
    await run.signal("approved", 3, deduplication_id="b")
    assert (await run.wait(30)).steps["wait"].output == [1, 3]
    after = await run.signal("approved", 4, deduplication_id="b")
    assert (after.status, after.step_key) == (SignalStatus.ALREADY_DELIVERED, "wait")


async def test_a_hundred_signals_sent_at_once_all_count_once(start: Start) -> None:
    orchestrator = await start(flow(wait=waits(quorum=50)))
    run = await orchestrator.trigger("Scenario")
    await asyncio.gather(
        *(run.signal("approved", number % 50, deduplication_id=str(number % 50)) for number in range(100))
    )
    assert sorted((await run.wait(30)).steps["wait"].output) == list(range(50))


async def test_a_wait_that_takes_too_long_fails(start: Start) -> None:
    orchestrator = await start(flow(wait=waits(timeoutSeconds=0.05)))
    result = await (await orchestrator.trigger("Scenario")).wait(30)
    assert result.status is RunStatus.FAILED
    error = result.steps["wait"].error
    assert error is not None
    assert error["type"] == "SignalTimeout"
    assert "'approved'" in str(error["message"])
    assert "0.05 seconds" in str(error["message"])


async def test_a_run_blames_the_wait_inside_a_loop_and_not_the_loop(start: Start) -> None:
    loop = ForEach(for_each=[1], steps={"wait": waits(timeoutSeconds=0.05)})
    orchestrator = await start(flow(a=loop))
    result = await (await orchestrator.trigger("Scenario")).wait(30)
    assert result.error == "step 'a.0.wait' failed: no signal 'approved' came within 0.05 seconds"


async def test_a_wait_that_failed_is_retried_by_its_policy_and_by_hand(start: Start) -> None:
    retry = RetryPolicy(max_attempts=2, initial=0.01, jitter=False)
    orchestrator = await start(flow(wait=waits(timeoutSeconds=0.05, retry=retry)))
    run = await orchestrator.trigger("Scenario")
    failed = await run.wait(30)
    assert (failed.status, failed.attempts["wait"]) == (RunStatus.FAILED, 2)
    await run.retry("wait")
    await run.signal("approved", "at last")
    result = await run.wait(30)
    assert result.steps["wait"].output == "at last"
    assert result.status is RunStatus.SUCCEEDED


async def test_a_run_that_is_cancelled_waits_no_longer_and_takes_no_more_signals(start: Start) -> None:
    orchestrator = await start(flow(wait=waits()))
    run = await orchestrator.trigger("Scenario")
    await run.cancel("enough")
    assert (await run.wait(30)).status is RunStatus.CANCELLED
    with pytest.raises(SignalNotExpected, match="already ended Cancelled"):
        await run.signal("approved")


async def test_an_unknown_run_takes_no_signals(start: Start) -> None:
    orchestrator = await start(flow(wait=waits()))
    with pytest.raises(RunNotFound):
        await orchestrator.signal(uuid4(), "approved")


async def test_a_payload_that_the_step_does_not_take_is_refused_and_told_why(start: Start) -> None:
    orchestrator = await start(flow(wait=waits(schema=SCHEMA)))
    run = await orchestrator.trigger("Scenario")
    with pytest.raises(SignalRefused, match="'by' is a required property"):
        await run.signal("approved", {"from": "Ada"})
    assert await orchestrator.list_signals(run.run_id) == []
    await run.signal("approved", {"by": "Ada"})
    assert (await run.wait(30)).steps["wait"].output == {"by": "Ada"}


async def test_signals_are_not_lost_with_the_process(start: Start, world: World) -> None:
    manifest = flow(gate=Step(type="Gate"), wait=waits("approved", "gate"), tell=echo("@steps('wait').output", "wait"))
    orchestrator = await start(manifest)
    if not orchestrator.storage.capabilities.shared_between_processes:
        pytest.skip("one process")
    other = await start(manifest)
    run = await orchestrator.trigger("Scenario")
    await world.until_reached("gate")
    await other.signal(run.run_id, "approved", 1)
    world.open_gate("gate")
    assert (await other.wait(run.run_id, timeout=30)).steps["tell"].output == 1


async def test_two_processes_signal_one_run_at_once(start: Start) -> None:
    manifest = flow(wait=waits(quorum=20))
    one = await start(manifest)
    if not one.storage.capabilities.shared_between_processes:
        pytest.skip("one process")
    two = await start(manifest)
    run = await one.trigger("Scenario")
    await asyncio.gather(*(each.signal(run.run_id, "approved", number) for each in (one, two) for number in range(10)))
    assert sorted((await one.wait(run.run_id, timeout=30)).steps["wait"].output) == sorted([*range(10), *range(10)])


async def test_retention_takes_the_signals_with_the_run(start: Start) -> None:
    orchestrator = await start(flow(wait=waits()))
    run = await orchestrator.trigger("Scenario")
    await run.signal("approved", 1)
    ended = await run.wait(30)
    assert ended.run.ended_at is not None
    assert await orchestrator.delete_runs_before(ended.run.ended_at + timedelta(seconds=1)) == 1
    assert await orchestrator.list_signals(run.run_id) == []
