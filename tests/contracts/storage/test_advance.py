"""Changes of runs: revisions, guards, partial batches, rows that go or settle."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from floworch.core.machine.state import StepState
from floworch.core.machine.transition import StepChange
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.core.ports.storage import Batch, Outcome, Storage
from tests.contracts.storage.builders import (
    START,
    advance,
    claim,
    commit_advance,
    commit_steps,
    create,
    creation,
    insert,
    overwrite,
    run_id,
    state,
    stop,
)

READY = (StepStatus.READY, 0)
DONE = state(StepStatus.SUCCEEDED, 1, ended_at=START)
LATER = START + timedelta(hours=1)


async def steps_of(storage: Storage, number: int = 1) -> dict[str, StepState]:
    return (await storage.load([run_id(number)]))[run_id(number)].steps


async def test_an_advance_raises_the_revision_by_one(storage: Storage) -> None:
    await create(storage)
    assert await commit_advance(storage, advance(1, 1)) is Outcome.DONE
    assert (await storage.load([run_id(1)]))[run_id(1)].revision == 2


async def test_an_advance_may_leave_the_run_as_it_is_but_for_its_revision(storage: Storage) -> None:
    stopped = stop()
    await create(storage, creation(deadline=LATER, stop=stopped))
    same = advance(1, 1, {"b": insert(state())}, deadline=LATER, stop=stopped, changes_run=False)
    assert await commit_advance(storage, same) is Outcome.DONE
    run = (await storage.load([run_id(1)]))[run_id(1)]
    assert (run.revision, run.status, run.deadline, run.stop) == (2, RunStatus.RUNNING, LATER, stopped)
    assert "b" in run.steps
    assert await commit_advance(storage, replace(same, steps={})) is Outcome.CONFLICT
    ended = advance(1, 2, status=RunStatus.CANCELLED, ended_at=LATER, deadline=LATER, stop=stopped)
    assert await commit_advance(storage, ended) is Outcome.DONE


@pytest.mark.parametrize("revision", [0, 2, 5])
async def test_an_advance_from_another_revision_conflicts(storage: Storage, revision: int) -> None:
    await create(storage)
    assert await commit_advance(storage, advance(1, revision)) is Outcome.CONFLICT


async def test_an_advance_of_an_unknown_run_conflicts(storage: Storage) -> None:
    assert await commit_advance(storage, advance(1, 1)) is Outcome.CONFLICT


async def test_a_conflicting_advance_writes_nothing(storage: Storage) -> None:
    await create(storage)
    change = advance(
        1,
        9,
        {"a": overwrite(READY, DONE), "b": insert(state())},
        facts=[{"type": "step.completed", "step": "a"}],
        loop_items={"a": Payload("[1]")},
        status=RunStatus.SUCCEEDED,
        ended_at=START,
    )
    before = await storage.load([run_id(1)])
    assert await commit_advance(storage, change) is Outcome.CONFLICT
    assert await storage.load([run_id(1)]) == before
    assert len(await storage.list_events(run_id(1))) == 1
    items = PayloadRef(PayloadKind.ITEMS, "a")
    assert await storage.load_payloads(run_id(1), [items]) == {items: None}


async def test_an_advance_replaces_the_run_row(storage: Storage) -> None:
    await create(storage)
    ended = START + timedelta(seconds=5, microseconds=7)
    request = stop(StopKind.CANCELLED, "no longer needed", START)
    deadline = START + timedelta(days=1)
    await commit_advance(
        storage, advance(1, 1, status=RunStatus.CANCELLED, ended_at=ended, stop=request, deadline=deadline)
    )
    found = (await storage.load([run_id(1)]))[run_id(1)]
    assert (found.status, found.ended_at, found.stop, found.deadline) == (
        RunStatus.CANCELLED,
        ended,
        request,
        deadline,
    )


async def test_an_ended_and_stopped_run_can_be_opened_again(storage: Storage) -> None:
    await create(
        storage, creation(status=RunStatus.CANCELLED, ended_at=START, stop=stop(), deadline=START + timedelta(hours=1))
    )
    assert await commit_advance(storage, advance(1, 1)) is Outcome.DONE
    found = (await storage.load([run_id(1)]))[run_id(1)]
    assert (found.status, found.ended_at, found.stop, found.deadline) == (RunStatus.RUNNING, None, None, None)


async def test_a_deadline_can_be_taken_back(storage: Storage) -> None:
    await create(storage, creation(deadline=START + timedelta(hours=1)))
    assert await commit_advance(storage, advance(1, 1)) is Outcome.DONE
    assert (await storage.load([run_id(1)]))[run_id(1)].deadline is None


async def test_a_step_row_is_replaced_whole(storage: Storage) -> None:
    first = state(StepStatus.PENDING, 1, due_at=START, reason="later", owner="w", failures=2)
    await create(storage, creation(steps={"a": insert(first, output=Payload("1"), input=Payload("2"), trace=[1])}))
    assert await commit_steps(storage, 1, a=overwrite((StepStatus.PENDING, 1), DONE)) is Outcome.DONE
    [record] = await storage.list_steps(run_id(1), payloads=True)
    assert await steps_of(storage) == {"a": DONE}
    assert (record.input, record.output, record.error, record.trace) == (None, None, None, None)


async def test_a_step_keeps_its_type(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(state(), type="SendMail")}))
    await commit_steps(storage, 1, a=overwrite(READY, DONE, type="SendMail"))
    assert [record.type for record in await storage.list_steps(run_id(1))] == ["SendMail"]


@pytest.mark.parametrize(
    "change",
    [
        overwrite((StepStatus.RUNNING, 0), DONE),
        overwrite((StepStatus.READY, 1), DONE),
        insert(DONE),
    ],
    ids=["another status", "another attempt", "exists already"],
)
async def test_a_step_that_is_not_as_expected_conflicts(storage: Storage, change: StepChange) -> None:
    await create(storage)
    assert await commit_steps(storage, 1, a=change) is Outcome.CONFLICT
    assert await steps_of(storage) == {"a": state()}


async def test_a_step_that_is_missing_conflicts(storage: Storage) -> None:
    await create(storage)
    assert await commit_steps(storage, 1, b=overwrite(READY, DONE)) is Outcome.CONFLICT
    assert set(await steps_of(storage)) == {"a"}


async def test_one_step_that_is_not_as_expected_holds_back_the_whole_advance(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(state()), "b": insert(state())}))
    change = {"a": overwrite(READY, DONE), "b": overwrite((StepStatus.RUNNING, 1), DONE), "c": insert(state())}
    assert await commit_advance(storage, advance(1, 1, change)) is Outcome.CONFLICT
    found = (await storage.load([run_id(1)]))[run_id(1)]
    assert (found.revision, found.steps) == (1, {"a": state(), "b": state()})


async def test_a_step_claimed_meanwhile_conflicts_although_the_revision_stands(storage: Storage) -> None:
    await create(storage)
    await storage.commit(Batch(claims=[claim()]))
    assert await commit_steps(storage, 1, a=overwrite(READY, DONE)) is Outcome.CONFLICT


@pytest.mark.parametrize("loser", [1, 2, 3])
async def test_the_others_of_a_batch_commit(storage: Storage, loser: int) -> None:
    await create(storage, creation(1), creation(2), creation(3))
    changes = [
        advance(number, 9 if number == loser else 1, {"a": overwrite(READY, DONE)}, facts=[{"type": "x"}])
        for number in (3, 1, 2)
    ]
    result = await storage.commit(Batch(advances=changes, creations=[creation(4, key="k")], claims=[]))
    assert result.advances == [Outcome.CONFLICT if number == loser else Outcome.DONE for number in (3, 1, 2)]
    assert result.creations == [run_id(4)]
    found = await storage.load([run_id(number) for number in (1, 2, 3, 4)])
    assert {number: found[run_id(number)].revision for number in (1, 2, 3, 4)} == {
        number: 1 if number in (loser, 4) else 2 for number in (1, 2, 3, 4)
    }
    assert [len(await storage.list_events(run_id(number))) for number in (1, 2, 3)] == [
        1 if number == loser else 2 for number in (1, 2, 3)
    ]


async def test_claims_commit_beside_an_advance_that_conflicts(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    result = await storage.commit(Batch(advances=[advance(1, 9)], claims=[claim(2)]))
    assert (result.advances, result.claims) == ([Outcome.CONFLICT], [Outcome.DONE])
    assert [event.type for event in await storage.list_events(run_id(2))] == ["run.started", "step.started"]


async def test_a_large_batch_with_several_conflicts_answers_each_change(storage: Storage) -> None:
    numbers = range(1, 301)
    await create(storage, *(creation(number) for number in numbers))
    changes = [advance(number, 1 + (number % 7 == 0), {"a": overwrite(READY, DONE)}) for number in numbers]
    result = await storage.commit(Batch(advances=changes))
    assert result.advances == [Outcome.CONFLICT if number % 7 == 0 else Outcome.DONE for number in numbers]


async def test_removed_rows_are_gone(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(DONE), "b": insert(DONE)}))
    await commit_advance(storage, advance(1, 1, removed=["b", "never there"]))
    assert set(await steps_of(storage)) == {"a"}
    assert [record.key for record in await storage.list_steps(run_id(1))] == ["a"]


async def test_a_removed_row_can_be_written_again(storage: Storage) -> None:
    await create(storage, creation(steps={"a": insert(DONE, output=Payload("1"))}))
    await commit_advance(storage, advance(1, 1, removed=["a"]))
    assert await commit_steps(storage, 2, a=insert(state())) is Outcome.DONE
    output = PayloadRef(PayloadKind.OUTPUT, "a")
    assert await storage.load_payloads(run_id(1), [output]) == {output: None}


async def test_only_the_named_run_loses_its_row(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    await commit_advance(storage, advance(1, 1, removed=["a"]))
    assert (set(await steps_of(storage, 1)), set(await steps_of(storage, 2))) == (set(), {"a"})


# -- iterations that have ended

ITERATIONS = {
    key: insert(DONE, output=Payload(f'"{key}"'))
    for key in ("loop", "loop.1.a", "loop.1.b", "loop.10.a", "loop.1.inner.0.x", "loop.1-b")
}


async def test_settled_rows_are_not_loaded(storage: Storage) -> None:
    await create(storage, creation(steps=ITERATIONS))
    await commit_advance(storage, advance(1, 1, settled=["loop.1"]))
    assert set(await steps_of(storage)) == {"loop", "loop.10.a", "loop.1.inner.0.x", "loop.1-b"}


async def test_rows_of_the_same_commit_settle_too(storage: Storage) -> None:
    await create(storage, creation(steps={"loop": insert(state())}))
    change = advance(1, 1, {"loop.0.a": insert(DONE), "loop.1.a": insert(DONE)}, settled=["loop.0"])
    await commit_advance(storage, change)
    assert set(await steps_of(storage)) == {"loop", "loop.1.a"}


async def test_rows_of_a_new_run_may_be_settled_at_once(storage: Storage) -> None:
    await create(storage, creation(steps=ITERATIONS, settled=["loop.1", "loop.1.inner.0"]))
    assert set(await steps_of(storage)) == {"loop", "loop.10.a", "loop.1-b"}


async def test_settled_rows_are_still_listed_and_still_have_outputs(storage: Storage) -> None:
    await create(storage, creation(steps=ITERATIONS, settled=["loop.1"]))
    assert {record.key for record in await storage.list_steps(run_id(1))} == set(ITERATIONS)
    assert (await storage.load_outputs(run_id(1), "loop.1."))["loop.1.a"] == Payload('"loop.1.a"')


async def test_settled_rows_load_by_their_prefix(storage: Storage) -> None:
    await create(storage, creation(steps=ITERATIONS, settled=["loop.1"]))
    found = await storage.load_iteration_steps(run_id(1), "loop.1.")
    assert found == dict.fromkeys(("loop.1.a", "loop.1.b", "loop.1.inner.0.x"), DONE)


async def test_a_prefix_is_literal_and_case_counts(storage: Storage) -> None:
    await create(storage, creation(steps={"a_b.0.x": insert(DONE), "aXb.0.x": insert(DONE), "A_B.0.x": insert(DONE)}))
    assert set(await storage.load_iteration_steps(run_id(1), "a_b.")) == {"a_b.0.x"}


async def test_the_empty_prefix_means_all_steps(storage: Storage) -> None:
    await create(storage, creation(steps=ITERATIONS))
    assert set(await storage.load_iteration_steps(run_id(1), "")) == set(ITERATIONS)


async def test_revived_rows_are_loaded_again(storage: Storage) -> None:
    await create(storage, creation(steps=ITERATIONS, settled=["loop.1", "loop.10"]))
    await commit_advance(storage, advance(1, 1, revived=["loop.1"]))
    assert set(await steps_of(storage)) == set(ITERATIONS) - {"loop.10.a"}


async def test_a_settled_row_stays_settled_when_it_is_written_again(storage: Storage) -> None:
    await create(storage, creation(steps=ITERATIONS, settled=["loop.1"]))
    await commit_advance(storage, advance(1, 1, {"loop.1.a": overwrite((StepStatus.SUCCEEDED, 1), DONE)}))
    assert "loop.1.a" not in await steps_of(storage)


async def test_a_run_that_is_moved_to_another_version_is_pinned_to_that(storage: Storage) -> None:
    await create(storage)
    assert await commit_advance(storage, advance(1, 1, moved_to=("hash-2", "2.0"))) is Outcome.DONE
    assert (await storage.load([run_id(1)]))[run_id(1)].facts.manifest_hash == "hash-2"
    found = await storage.get_run(run_id(1))
    assert found is not None
    assert (found.manifest_hash, found.flow_version) == ("hash-2", "2.0")


async def test_a_move_that_conflicts_leaves_the_run_at_its_version(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    moves = [advance(number, revision, moved_to=("hash-2", "2.0")) for number, revision in ((1, 7), (2, 1))]
    result = await storage.commit(Batch(advances=moves))
    assert result.advances == [Outcome.CONFLICT, Outcome.DONE]
    found = await storage.load([run_id(1), run_id(2)])
    assert [run.facts.manifest_hash for run in found.values()] == ["hash-1", "hash-2"]
