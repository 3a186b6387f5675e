"""What the in-memory store keeps of runs that have ended."""

from __future__ import annotations

import gc

from floworch.core.machine.state import SkipKind
from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus, StepStatus
from floworch.storage.memory import MemoryStorage
from floworch.storage.memory.rows import StepRow
from tests.contracts.storage.builders import (
    ERROR,
    START,
    StillClock,
    advance,
    commit_advance,
    create,
    creation,
    insert,
    overwrite,
    run_id,
    state,
)

RUNNING = (StepStatus.RUNNING, 1)


async def ended_run() -> MemoryStorage:
    """One with all kinds of rows."""
    storage = MemoryStorage(StillClock())
    running = insert(state(StepStatus.RUNNING, 1, owner="w"), lease_seconds=30)
    await create(storage, creation(steps={"a": running, "b": running}))
    done = state(StepStatus.SUCCEEDED, 1, ready_at=START, started_at=START, ended_at=START, owner="w")
    failed = state(StepStatus.FAILED, 1, failures=1, reason="no such order", ended_at=START)
    skipped = state(StepStatus.SKIPPED, skip=SkipKind.WHEN_FALSE, ended_at=START)
    steps = {
        "a": overwrite(RUNNING, done, input=Payload("1"), output=Payload('{"x":2}')),
        "b": overwrite(RUNNING, failed, error=ERROR),
        "c": insert(skipped, trace=[{"resolved": "1 > 2"}]),
    }
    await commit_advance(storage, advance(1, 1, steps, status=RunStatus.FAILED, ended_at=START))
    return storage


def rows_in_memory() -> int:
    gc.collect()
    return sum(1 for each in gc.get_objects() if isinstance(each, StepRow))


async def test_the_rows_of_an_ended_run_are_nothing_that_the_garbage_collector_looks_at() -> None:
    before = rows_in_memory()
    storage = await ended_run()
    assert rows_in_memory() == before
    assert len(await storage.list_steps(run_id(1))) == 3


async def test_the_rows_of_an_ended_run_are_as_they_were_written() -> None:
    storage = await ended_run()
    stored = (await storage.load([run_id(1)]))[run_id(1)]
    assert stored.steps == {
        "a": state(StepStatus.SUCCEEDED, 1, ready_at=START, started_at=START, ended_at=START, owner="w"),
        "b": state(StepStatus.FAILED, 1, failures=1, reason="no such order", ended_at=START),
        "c": state(StepStatus.SKIPPED, skip=SkipKind.WHEN_FALSE, ended_at=START),
    }
    assert all(type(each.status) is StepStatus for each in stored.steps.values())
    steps = {step.key: step for step in await storage.list_steps(run_id(1), payloads=True)}
    assert (steps["a"].input, steps["a"].output) == (1, {"x": 2})
    assert (steps["b"].error, steps["c"].trace) == (ERROR.to_json(), [{"resolved": "1 > 2"}])


async def test_an_ended_run_goes_on_with_its_rows() -> None:
    storage = await ended_run()
    again = overwrite((StepStatus.FAILED, 1), state(StepStatus.READY, 1))
    await commit_advance(storage, advance(1, 2, {"b": again}))
    [found] = await storage.ready(10, frozenset({"Work"}), frozenset({creation().flow_id}))
    assert (found.step_key, found.attempt) == ("b", 1)
    assert [step.key for step in await storage.list_steps(run_id(1))] == ["a", "b", "c"]


async def test_a_run_with_very_many_steps_is_not_held_up_at_its_end() -> None:
    before = rows_in_memory()
    storage = MemoryStorage(StillClock())
    steps = {f"s{number}": insert(state(StepStatus.SKIPPED, ended_at=START)) for number in range(2000)}
    await create(storage, creation(steps=steps, status=RunStatus.SKIPPED, ended_at=START))
    assert rows_in_memory() == before + 2000
    assert len(await storage.list_steps(run_id(1))) == 2000
