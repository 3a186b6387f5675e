"""How a runtime that runs steps in its own process shares out its slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from floworch.core.ports.runtime import Runtime, StartedStep
from floworch.errors import ConfigurationError
from tests.contracts.runtime.runner import Runner, task

Make = Callable[[int], Runtime]


@asynccontextmanager
async def running(make: Make, slots: int) -> AsyncIterator[tuple[Runtime, Runner]]:
    runtime, runner = make(slots), Runner()
    await runtime.start(runner)
    yield runtime, runner
    runner.let_all_go()
    await runtime.stop(drain_seconds=30)


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_dispatched_step_is_claimed_and_run(make_runtime: Make) -> None:
    async with running(make_runtime, 2) as (runtime, runner):
        runtime.dispatch([task(1)])
        runner.let_go(1)
        await runner.until_finished(1)
        assert runner.claims == [1]


async def test_no_more_steps_run_at_once_than_there_are_slots(make_runtime: Make) -> None:
    async with running(make_runtime, 3) as (runtime, runner):
        runtime.dispatch([task(n) for n in range(1, 11)])
        await settle()
        assert len(runner.running) == 3
        runner.let_all_go()
        await runner.until_finished(*range(1, 11))
        assert runner.most_running == 3


async def test_steps_run_in_the_order_in_which_they_were_dispatched(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        runtime.dispatch([task(n) for n in (3, 1, 2)])
        runner.let_all_go()
        await runner.until_finished(1, 2, 3)
        assert runner.finished == [3, 1, 2]


async def test_a_step_that_is_queued_already_is_not_queued_again(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        runtime.dispatch([task(1)])
        runtime.dispatch([task(2), task(2)])
        runtime.dispatch([task(2)])
        runner.let_all_go()
        await runner.until_finished(1, 2)
        await settle()
        assert runner.claims == [1, 2]


async def test_the_next_attempt_of_a_step_is_another_step(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        runtime.dispatch([task(1)])
        runtime.dispatch([task(2, attempt=0), task(2, attempt=1)])
        runner.let_all_go()
        await runner.until_finished(1, 2)
        await settle()
        assert runner.claims == [1, 2, 2]


async def test_a_lost_claim_gives_its_slot_back(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        runner.taken = {1}
        runtime.dispatch([task(1), task(2)])
        await runner.until_running(2)
        assert runner.claims == [1, 2]
        assert 1 not in runner.running


async def test_a_step_whose_runner_breaks_gives_its_slot_back(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        runner.failing = {1}
        runtime.dispatch([task(1), task(2)])
        await runner.until_running(2)
        assert runtime.free_slots() == 0
        runner.let_go(2)
        await runner.until_finished(2)
        await settle()
        assert runtime.free_slots() == 1


async def test_free_slots_count_what_waits_in_the_queue_as_taken(make_runtime: Make) -> None:
    async with running(make_runtime, 4) as (runtime, runner):
        assert runtime.free_slots() == 4
        runtime.dispatch([task(1), task(2)])
        await runner.until_running(1, 2)
        assert runtime.free_slots() == 2
        runtime.dispatch([task(n) for n in range(3, 10)])
        await settle()
        assert runtime.free_slots() == 0


async def test_a_reserved_slot_is_taken_until_it_is_given_back(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        assert runtime.reserve()
        assert not runtime.reserve()
        runtime.dispatch([task(1)])
        await settle()
        assert runner.running == set()
        runtime.run_reserved(None)
        await runner.until_running(1)


async def test_a_reserved_slot_runs_the_step_without_claiming_it(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        assert runtime.reserve()
        runtime.run_reserved(StartedStep(UUID(int=7), "step", 1))
        await runner.until_running(7)
        assert runner.claims == []
        runner.let_go(7)
        await runner.until_finished(7)
        await settle()
        assert runtime.free_slots() == 1


async def test_room_is_told_when_a_slot_is_free_and_nothing_is_queued(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        runtime.dispatch([task(1), task(2)])
        runner.let_go(1)
        await runner.until_running(2)
        assert runner.times_with_room == 0
        runner.let_go(2)
        await runner.until_finished(2)
        await settle()
        assert runner.times_with_room == 1


async def test_nothing_is_reserved_while_steps_wait_in_the_queue(make_runtime: Make) -> None:
    async with running(make_runtime, 1) as (runtime, runner):
        runtime.dispatch([task(1), task(2)])
        await runner.until_running(1)
        assert not runtime.reserve()


async def test_stop_waits_for_running_steps_and_leaves_queued_ones(make_runtime: Make) -> None:
    runtime, runner = make_runtime(1), Runner()
    await runtime.start(runner)
    runtime.dispatch([task(1), task(2)])
    await runner.until_running(1)
    stopping = asyncio.create_task(runtime.stop(drain_seconds=30))
    await settle()
    assert not stopping.done()
    runner.let_go(1)
    await stopping
    assert runner.finished == [1]
    assert runner.claims == [1]


async def test_stop_cancels_what_is_not_done_in_time(make_runtime: Make) -> None:
    runtime, runner = make_runtime(2), Runner()
    await runtime.start(runner)
    runtime.dispatch([task(1), task(2)])
    await runner.until_running(1, 2)
    await runtime.stop(drain_seconds=0)
    assert sorted(runner.cancelled) == [1, 2]


async def test_stop_cancels_no_claim_but_the_step_that_it_starts(make_runtime: Make) -> None:
    runtime, runner = make_runtime(1), Runner()
    await runtime.start(runner)
    runtime.dispatch([task(1), task(2)])
    await runner.until_running(1)
    runner.claims_go_on.clear()
    runner.let_go(1)
    await runner.until_finished(1)
    await settle()
    stopping = asyncio.create_task(runtime.stop(drain_seconds=0))
    await settle()
    runner.claims_go_on.set()
    await stopping
    assert (runner.claims, runner.cancelled) == ([1, 2], [2])


async def test_a_stopped_runtime_takes_nothing(make_runtime: Make) -> None:
    runtime, runner = make_runtime(2), Runner()
    await runtime.start(runner)
    await runtime.stop(drain_seconds=0)
    runtime.dispatch([task(1)])
    await settle()
    assert runner.claims == []
    assert runtime.free_slots() == 0
    assert not runtime.reserve()


@pytest.mark.parametrize("slots", [0, -1])
def test_a_runtime_without_slots_is_refused(make_runtime: Make, slots: int) -> None:
    with pytest.raises(ConfigurationError, match="at least one step"):
        make_runtime(slots)
