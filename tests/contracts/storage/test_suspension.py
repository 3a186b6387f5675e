"""Suspended runs: what a store keeps of the suspension, and finds by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from floworch.core.machine.state import Suspension, WaitKind
from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import Batch, Outcome, RunFilter, Storage
from tests.contracts.storage.builders import (
    START,
    advance,
    claim,
    commit_advance,
    commit_claim,
    create,
    creation,
    overwrite,
    run_id,
    state,
)

SUSPENSION = Suspension("the bank is closed", "Ann", START + timedelta(seconds=1))
PARKED = overwrite((StepStatus.READY, 0), state(StepStatus.PENDING, wait=WaitKind.SUSPENDED, ready_at=START))


async def suspension_of(storage: Storage, number: int = 1) -> Suspension | None:
    return (await storage.load([run_id(number)]))[run_id(number)].suspension


@pytest.mark.parametrize("suspension", [SUSPENSION, Suspension(None, None, START)])
async def test_a_suspension_is_kept_until_it_is_changed_again(storage: Storage, suspension: Suspension) -> None:
    await create(storage)
    await commit_advance(storage, advance(1, 1, {"a": PARKED}, suspension=suspension, changes_suspension=True))
    await commit_advance(storage, advance(1, 2))
    assert await suspension_of(storage) == suspension
    record = await storage.get_run(run_id(1))
    assert record is not None
    assert (record.suspend_reason, record.suspended_by, record.suspended_at) == (
        suspension.reason,
        suspension.by,
        suspension.at,
    )

    await commit_advance(storage, advance(1, 3, changes_suspension=True))
    assert await suspension_of(storage) is None
    record = await storage.get_run(run_id(1))
    assert record is not None
    assert (record.suspend_reason, record.suspended_by, record.suspended_at) == (None, None, None)


async def test_a_suspension_of_a_run_that_has_moved_is_not_written(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    batch = Batch(
        advances=[
            advance(1, 7, suspension=SUSPENSION, changes_suspension=True),
            advance(2, 1, suspension=SUSPENSION, changes_suspension=True),
        ]
    )
    assert (await storage.commit(batch)).advances == [Outcome.CONFLICT, Outcome.DONE]
    assert await suspension_of(storage, 1) is None
    assert await suspension_of(storage, 2) == SUSPENSION


async def test_steps_that_wait_for_the_end_of_a_suspension_are_neither_ready_nor_due(storage: Storage) -> None:
    await create(storage)
    await commit_advance(storage, advance(1, 1, {"a": PARKED}, suspension=SUSPENSION, changes_suspension=True))
    assert await commit_claim(storage, claim()) is Outcome.CONFLICT
    due = await storage.due(START + timedelta(days=1), 10)
    assert (due.timers, due.next_at) == ([], None)
    assert (await storage.load([run_id(1)]))[run_id(1)].steps["a"] == PARKED.state


@pytest.mark.parametrize(("suspended", "expected"), [(True, [2]), (False, [3, 1]), (None, [3, 2, 1])])
async def test_runs_are_found_by_whether_they_are_suspended(
    storage: Storage, suspended: bool | None, expected: list[int]
) -> None:
    await create(storage, creation(1), creation(2), creation(3))
    await commit_advance(storage, advance(2, 1, suspension=SUSPENSION, changes_suspension=True))
    page = await storage.list_runs(RunFilter(suspended=suspended), 10)
    assert [run.id for run in page.runs] == [run_id(number) for number in expected]
