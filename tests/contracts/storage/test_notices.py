"""Ends of runs that somebody wants to be told of: marked with the end, and moved by compare-and-swap."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from floworch.core.model.status import RunStatus
from floworch.core.ports.notices import DueNotice
from floworch.core.ports.storage import Outcome, Storage
from tests.contracts.storage.builders import FLOW, START, advance, commit_advance, create, creation, flow, run_id

SECOND = timedelta(seconds=1)
FLOWS = frozenset({FLOW})


async def end(storage: Storage, number: int, *, seconds: int = 0, revision: int = 1, **more: Any) -> None:
    """End a run so long after ``START``; somebody is to be told."""
    at = START + seconds * SECOND
    ended: dict[str, Any] = {"status": RunStatus.FAILED, "ended_at": at, "at": at, "tells_end": True, **more}
    assert await commit_advance(storage, advance(number, revision, **ended)) is Outcome.DONE


async def due(storage: Storage, seconds: int = 0, limit: int = 10) -> list[int]:
    found = await storage.due_notices(START + seconds * SECOND, limit, FLOWS)
    return [notice.run_id.int & 0xFFFF for notice in found.due]


async def test_an_end_is_due_from_its_commit_on(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    await end(storage, 1)

    found = await storage.due_notices(START, 10, FLOWS)

    assert list(found.due) == [DueNotice(run_id(1), FLOW, RunStatus.FAILED, START, 0)]
    assert found.next_at is None


async def test_an_end_that_nobody_wants_to_know_of_is_not_due(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1, tells_end=None)

    assert await due(storage) == []


async def test_a_run_that_ends_as_it_starts_is_due(storage: Storage) -> None:
    await create(storage, creation(1, status=RunStatus.FAILED, ended_at=START, tells_end=True))

    assert await due(storage) == [1]


async def test_the_earliest_come_first_and_the_next_time_is_told(storage: Storage) -> None:
    await create(storage, *(creation(number) for number in range(1, 6)))
    for number, seconds in ((1, 3), (2, 1), (3, 2), (4, 9), (5, 8)):
        await end(storage, number, seconds=seconds)

    assert await due(storage, 3) == [2, 3, 1]
    assert await due(storage, 3, limit=2) == [2, 3]
    assert (await storage.due_notices(START + 3 * SECOND, 10, FLOWS)).next_at == START + 8 * SECOND
    assert (await storage.due_notices(START, 10, FLOWS)).next_at == START + SECOND


async def test_runs_of_other_flows_are_left_to_others(storage: Storage) -> None:
    await create(storage, creation(1), creation(2, flow_id=flow(2).id))
    await end(storage, 1)
    await end(storage, 2, seconds=1, flow_id=flow(2).id)

    assert await due(storage) == [1]
    assert (await storage.due_notices(START, 10, FLOWS)).next_at is None
    both = await storage.due_notices(START, 10, FLOWS | {flow(2).id})
    assert both.next_at == START + SECOND


async def test_the_earliest_of_all_flows_come_first(storage: Storage) -> None:
    flows = [flow(number).id for number in range(60)]
    await create(storage, *(creation(number, flow_id=each) for number, each in enumerate(flows)))
    for number, each in enumerate(flows):
        await end(storage, number, seconds=number * 7 % 60, flow_id=each)

    found = await storage.due_notices(START + 9 * SECOND, 3, frozenset(flows))
    all_due = await storage.due_notices(START + 9 * SECOND, 20, frozenset(flows))

    assert [notice.at for notice in found.due] == [START + seconds * SECOND for seconds in range(3)]
    assert [notice.at for notice in all_due.due] == [START + seconds * SECOND for seconds in range(10)]
    assert all_due.next_at == START + 10 * SECOND


async def test_a_mark_that_was_moved_is_due_later_and_remembers_the_tries(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1)

    assert await storage.move_notice(run_id(1), START, START + 5 * SECOND, 3)

    assert await due(storage, 4) == []
    [notice] = (await storage.due_notices(START + 5 * SECOND, 10, FLOWS)).due
    assert (notice.at, notice.tries) == (START + 5 * SECOND, 3)


async def test_a_mark_that_is_taken_away_is_due_no_more(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1)

    assert await storage.move_notice(run_id(1), START, None, 1)

    assert await due(storage, 1000) == []
    assert not await storage.move_notice(run_id(1), START, None, 1)


async def test_a_mark_that_somebody_else_has_moved_stays_as_it_is(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1)
    await storage.move_notice(run_id(1), START, START + 5 * SECOND, 1)

    assert not await storage.move_notice(run_id(1), START, START + 60 * SECOND, 1)
    assert not await storage.move_notice(run_id(1), START, None, 1)
    assert not await storage.move_notice(run_id(9), START, None, 1)

    assert await due(storage, 5) == [1]


async def test_one_of_many_who_move_a_mark_at_once_does_it(storage: Storage, neighbour: Storage) -> None:
    await create(storage)
    await end(storage, 1)

    moves = [store.move_notice(run_id(1), START, START + SECOND, 1) for store in (storage, neighbour) * 5]

    assert sorted(await asyncio.gather(*moves)) == [False] * 9 + [True]


async def test_a_run_that_goes_on_again_has_no_mark_and_its_next_end_a_new_one(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1)
    await storage.move_notice(run_id(1), START, START + 5 * SECOND, 4)

    await commit_advance(storage, advance(1, 2, tells_end=False))
    assert await due(storage, 1000) == []

    await end(storage, 1, seconds=9, revision=3)
    [notice] = (await storage.due_notices(START + 9 * SECOND, 10, FLOWS)).due
    assert (notice.at, notice.tries) == (START + 9 * SECOND, 0)


async def test_what_else_happens_to_an_ended_run_leaves_its_mark_alone(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1)

    await commit_advance(storage, advance(1, 2, status=RunStatus.FAILED, ended_at=START))

    assert await due(storage) == [1]
    assert (await storage.load([run_id(1)]))[run_id(1)].revision == 3


async def test_moving_a_mark_does_not_move_the_run(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1)
    await storage.move_notice(run_id(1), START, None, 1)

    assert await commit_advance(storage, advance(1, 2, tells_end=False)) is Outcome.DONE


async def test_a_mark_goes_with_its_run(storage: Storage) -> None:
    await create(storage)
    await end(storage, 1)

    assert (await storage.delete_runs(START + SECOND, 10, START)).runs == 1

    assert await due(storage, 1000) == []
    assert not await storage.move_notice(run_id(1), START, None, 1)
