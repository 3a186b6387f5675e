"""Runs that other runs have started: written together, listed by parent, and told of until somebody has heard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from floworch.core.machine.state import ParentStep
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.ports.storage import Batch, BatchResult, Creation, Outcome, RunFilter, Storage
from tests.contracts.storage.builders import (
    FLOW,
    START,
    advance,
    claim,
    commit_advance,
    commit_claim,
    create,
    creation,
    insert,
    overwrite,
    run_id,
    state,
)

BY_THE_FIRST = ParentStep(run_id(1), "loop.3.call", 2, waits=True, depth=1)
WAITS = {"a": overwrite((StepStatus.READY, 0), state(StepStatus.PENDING), input=Payload('{"flow":"x"}'))}
LONG_AGO = START - timedelta(days=1)
LATER = START + timedelta(days=1)


def child(number: int = 2, **changes: Any) -> Creation:
    return creation(number, parent=BY_THE_FIRST, only_with=run_id(1), **changes)


async def commit_both(storage: Storage, *children: Creation, revision: int = 1) -> BatchResult:
    return await storage.commit(Batch(creations=children, advances=[advance(1, revision, WAITS)]))


async def end(storage: Storage, number: int) -> None:
    """End a child of which its parent wants to know."""
    ended: dict[str, Any] = {"status": RunStatus.SUCCEEDED, "ended_at": START, "tells_parent": True}
    assert await commit_advance(storage, advance(number, 1, **ended)) is Outcome.DONE


async def test_a_child_is_written_with_the_advance_of_its_parent(storage: Storage) -> None:
    await create(storage)

    result = await commit_both(storage, child(2), child(3))

    assert (result.creations, result.advances) == ([run_id(2), run_id(3)], [Outcome.DONE])
    found = (await storage.load([run_id(2)]))[run_id(2)]
    assert found.facts.parent == BY_THE_FIRST
    assert found.steps.keys() == {"a"}


async def test_a_child_is_not_written_when_its_parent_was_moved(storage: Storage) -> None:
    await create(storage)

    result = await commit_both(storage, child(2), child(3, key="k"), creation(4), revision=7)

    assert result.advances == [Outcome.CONFLICT]
    assert result.creations == [run_id(2), run_id(3), run_id(4)]
    assert (await storage.load([run_id(2), run_id(3), run_id(4)])).keys() == {run_id(4)}
    assert await storage.find_run_by_key(FLOW, "k") is None


async def test_a_child_is_not_written_when_a_step_of_its_parent_was_moved(storage: Storage) -> None:
    await create(storage)
    await commit_claim(storage, claim())

    assert (await commit_both(storage, child())).advances == [Outcome.CONFLICT]
    assert await storage.load([run_id(2)]) == {}


async def test_a_parent_does_not_advance_when_the_key_of_its_child_is_taken(storage: Storage) -> None:
    await create(storage, creation(1), creation(9, key="k"))

    result = await commit_both(storage, child(2, key="k"), child(3, key="other"), creation(4))

    assert result.advances == [Outcome.CONFLICT]
    assert result.creations == [run_id(9), run_id(3), run_id(4)]
    assert (await storage.load([run_id(2), run_id(3), run_id(4)])).keys() == {run_id(4)}
    assert await storage.find_run_by_key(FLOW, "other") is None
    assert (await storage.load([run_id(1)]))[run_id(1)].revision == 1


async def test_of_two_runs_with_one_key_in_a_batch_the_first_one_wins_over_a_child(storage: Storage) -> None:
    await create(storage)

    result = await commit_both(storage, creation(4, key="k"), child(2, key="k"))

    assert (result.creations, result.advances) == ([run_id(4), run_id(4)], [Outcome.CONFLICT])
    assert (await storage.load([run_id(2), run_id(4)])).keys() == {run_id(4)}


async def test_other_parents_are_not_affected(storage: Storage) -> None:
    await create(storage, creation(1), creation(5))
    other = creation(6, parent=ParentStep(run_id(5), "a", 1, waits=False, depth=1), only_with=run_id(5))

    result = await storage.commit(
        Batch(creations=[child(2), other], advances=[advance(1, 8, WAITS), advance(5, 1, WAITS)])
    )

    assert result.advances == [Outcome.CONFLICT, Outcome.DONE]
    assert (await storage.load([run_id(2), run_id(6)])).keys() == {run_id(6)}


async def test_an_end_is_due_until_it_was_heard_of(storage: Storage) -> None:
    await create(storage, creation(1), creation(5))
    await commit_both(storage, child(2), child(3))
    await end(storage, 3)
    assert (await storage.due(START, 10)).children == [run_id(3)]

    await commit_advance(storage, advance(1, 2, heard_of=[run_id(3), UUID(int=404)]))

    assert (await storage.due(START, 10)).children == []


async def test_a_run_may_end_with_its_creation_and_hear_of_itself(storage: Storage) -> None:
    await create(storage)
    await commit_both(storage, child(2, status=RunStatus.SKIPPED, ended_at=START, tells_parent=True))
    assert (await storage.due(START, 10)).children == [run_id(2)]

    ended: dict[str, Any] = {"status": RunStatus.SKIPPED, "ended_at": START}
    await commit_advance(storage, advance(2, 1, heard_of=[run_id(2)], **ended))

    assert (await storage.due(START, 10)).children == []


async def test_a_run_that_was_opened_again_is_not_due(storage: Storage) -> None:
    await create(storage)
    await commit_both(storage, child(2))
    await end(storage, 2)

    await commit_advance(storage, advance(2, 2))

    assert (await storage.due(LATER, 10)).children == []


async def test_ends_are_due_in_their_order_up_to_the_limit(storage: Storage) -> None:
    await create(storage)
    await commit_both(storage, *(child(number) for number in range(2, 7)))
    for place, number in enumerate([4, 2, 6, 3, 5]):
        at = START + timedelta(seconds=place)
        ended: dict[str, Any] = {"status": RunStatus.FAILED, "ended_at": at, "tells_parent": True}
        await commit_advance(storage, advance(number, 1, **ended))

    assert (await storage.due(START, 3)).children == [run_id(4), run_id(2), run_id(6)]


async def test_an_end_that_nobody_has_heard_of_is_not_deleted(storage: Storage) -> None:
    await create(storage)
    await commit_both(storage, child(2), child(3))
    await end(storage, 2)
    await end(storage, 3)
    await commit_advance(storage, advance(1, 2, heard_of=[run_id(2)]))

    assert await storage.count_ended(LATER) == 1
    assert (await storage.delete_runs(LATER, 10, LONG_AGO)).runs == 1
    assert (await storage.load([run_id(2), run_id(3)])).keys() == {run_id(3)}


async def test_runs_are_listed_by_their_parent(storage: Storage) -> None:
    await create(storage, creation(1), creation(5))
    await commit_both(storage, child(2), child(3))

    page = await storage.list_runs(RunFilter(parent_run_id=run_id(1)), 1)
    rest = await storage.list_runs(RunFilter(parent_run_id=run_id(1)), 1, page.next_cursor)

    assert [run.id for run in (*page.runs, *rest.runs)] == [run_id(3), run_id(2)]
    assert {(run.parent_run_id, run.parent_step_key) for run in page.runs} == {(run_id(1), "loop.3.call")}
    assert (await storage.list_runs(RunFilter(parent_run_id=run_id(2)), 5)).runs == []


async def test_people_see_the_type_without_the_flow_and_workers_with_it(storage: Storage) -> None:
    await create(storage, creation(1, steps={"a": insert(state(), type="RunFlow:Invoice")}))

    assert (await storage.list_steps(run_id(1)))[0].type == "RunFlow"
    assert await storage.ready(5, frozenset({"RunFlow"}), frozenset({FLOW})) == []
    [ready] = await storage.ready(5, frozenset({"RunFlow:Invoice"}), frozenset({FLOW}))
    assert ready.type == "RunFlow:Invoice"


async def test_inputs_can_be_loaded(storage: Storage) -> None:
    await create(storage)
    long = Payload(f'"{"x" * 40_000}"')
    steps = {
        "a": overwrite((StepStatus.READY, 0), state(StepStatus.PENDING), input=Payload("[1]")),
        "b": insert(state(StepStatus.PENDING), input=long),
        "c": insert(state()),
    }
    await commit_advance(storage, advance(1, 1, steps))
    refs = [PayloadRef(PayloadKind.INPUT, key) for key in ("a", "b", "c", "none")]

    found = await storage.load_payloads(run_id(1), refs)

    assert [found[ref] and found[ref].text for ref in refs] == ["[1]", long.text, None, None]  # type: ignore[union-attr]
