"""What people ask: runs, steps, history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from floworch.core.machine.progress import LoopProgress
from floworch.core.model.records import RunRecord
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.core.ports.storage import RunFilter, Storage
from tests.contracts.storage.builders import (
    FLOW,
    START,
    StillClock,
    advance,
    claim,
    commit_advance,
    commit_claim,
    commit_steps,
    create,
    creation,
    flow,
    insert,
    overwrite,
    run_id,
    state,
    stop,
)

SECOND = timedelta(seconds=1)


async def numbers_of(pages: AsyncIterator[list[RunRecord]]) -> list[list[int]]:
    return [[run.id.int & 0xFFFF for run in page] async for page in pages]


async def pages(storage: Storage, where: RunFilter, limit: int) -> AsyncIterator[list[RunRecord]]:
    page = await storage.list_runs(where, limit)
    yield page.runs
    while page.next_cursor is not None:
        page = await storage.list_runs(where, limit, page.next_cursor)
        yield page.runs


async def numbers(storage: Storage, where: RunFilter) -> list[int]:
    return (await numbers_of(pages(storage, where, 100)))[0]


async def test_a_run_is_shown_with_all_its_facts(storage: Storage) -> None:
    await create(storage, creation(1, key="k", source=run_id(9), deadline=START + 60 * SECOND))
    request = stop(StopKind.TIMED_OUT, "too slow")
    await commit_advance(
        storage, advance(1, 1, status=RunStatus.TIMED_OUT, ended_at=START + SECOND, stop=request, deadline=START)
    )
    assert await storage.get_run(run_id(1)) == RunRecord(
        id=run_id(1),
        flow_id=FLOW,
        flow_name="orders",
        flow_version="1.2",
        manifest_hash="hash-1",
        status=RunStatus.TIMED_OUT,
        trigger_key="manual",
        revision=2,
        started_at=START,
        ended_at=START + SECOND,
        deadline=START,
        stop_kind=StopKind.TIMED_OUT,
        stop_reason="too slow",
        idempotency_key="k",
        source_run_id=run_id(9),
    )


async def test_an_unknown_run_is_none(storage: Storage) -> None:
    assert await storage.get_run(run_id(1)) is None


async def test_runs_are_listed_newest_first_and_by_id_among_equals(storage: Storage) -> None:
    for number, seconds in ((1, 5), (2, 9), (3, 5), (4, 1)):
        await create(storage, creation(number, started_at=START + seconds * SECOND))
    assert await numbers(storage, RunFilter()) == [2, 3, 1, 4]


@pytest.mark.parametrize(("limit", "expected"), [(1, [[3], [2], [1]]), (2, [[3, 2], [1]]), (3, [[3, 2, 1]])])
async def test_pages_show_every_run_once(storage: Storage, limit: int, expected: list[list[int]]) -> None:
    await create(storage, creation(1), creation(2), creation(3))
    assert await numbers_of(pages(storage, RunFilter(), limit)) == expected


async def test_runs_that_start_while_one_pages_do_not_disturb_the_pages(storage: Storage) -> None:
    await create(storage, creation(1), creation(2), creation(3))
    first = await storage.list_runs(RunFilter(), 2)
    await create(storage, creation(4, started_at=START + SECOND))
    second = await storage.list_runs(RunFilter(), 2, first.next_cursor)
    assert [run.id for run in second.runs] == [run_id(1)]


async def test_an_empty_store_has_one_empty_page(storage: Storage) -> None:
    page = await storage.list_runs(RunFilter(), 10)
    assert (page.runs, page.next_cursor) == ([], None)


@pytest.mark.parametrize("cursor", ["", "nonsense", "ä", "AAAA", "x" * 500])
async def test_a_cursor_of_somebody_else_is_refused(storage: Storage, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await storage.list_runs(RunFilter(), 10, cursor)


FILTERS = {
    "everything": (RunFilter(), [5, 4, 3, 2, 1]),
    "a flow": (RunFilter(flow_id=flow(2).id), [4, 2]),
    "an unknown flow": (RunFilter(flow_id=UUID(int=1)), []),
    "a status": (RunFilter(statuses=frozenset({RunStatus.FAILED})), [5, 2]),
    "two statuses": (RunFilter(statuses=frozenset({RunStatus.FAILED, RunStatus.SUCCEEDED})), [5, 3, 2]),
    "no status": (RunFilter(statuses=frozenset()), []),
    "from an instant on": (RunFilter(started_from=START + 3 * SECOND), [5, 4, 3]),
    "before an instant": (RunFilter(started_before=START + 3 * SECOND), [2, 1]),
    "a span": (RunFilter(started_from=START + 2 * SECOND, started_before=START + 4 * SECOND), [3, 2]),
    "a source": (RunFilter(source_run_id=run_id(1)), [5, 3]),
    "all at once": (
        RunFilter(flow(2).id, frozenset({RunStatus.FAILED}), START, START + 3 * SECOND, None),
        [2],
    ),
}


@pytest.mark.parametrize(("where", "expected"), FILTERS.values(), ids=FILTERS)
async def test_filters(storage: Storage, where: RunFilter, expected: list[int]) -> None:
    failed, succeeded = RunStatus.FAILED, RunStatus.SUCCEEDED
    for number, flow_number, status, source in (
        (1, 1, RunStatus.RUNNING, None),
        (2, 2, failed, None),
        (3, 1, succeeded, run_id(1)),
        (4, 2, RunStatus.RUNNING, None),
        (5, 1, failed, run_id(1)),
    ):
        started = START + number * SECOND
        change = creation(number, flow_id=flow(flow_number).id, status=status, source=source, started_at=started)
        await create(storage, change)
    assert await numbers(storage, where) == expected


async def test_pages_keep_to_their_filter(storage: Storage) -> None:
    await create(storage, *(creation(n, flow_id=flow(n % 2).id) for n in range(1, 8)))
    assert await numbers_of(pages(storage, RunFilter(flow_id=flow(1).id), 2)) == [[7, 5], [3, 1]]


async def test_runs_are_counted_by_status(storage: Storage) -> None:
    await create(storage, creation(1), creation(2), creation(3, status=RunStatus.FAILED))
    expected = dict.fromkeys(RunStatus, 0) | {RunStatus.RUNNING: 2, RunStatus.FAILED: 1}
    assert await storage.count_runs() == expected


# -- steps


async def test_steps_are_listed_in_the_order_in_which_they_became_ready(storage: Storage) -> None:
    await create(storage, creation(steps={"z": insert(state()), "b": insert(state())}))
    later = state(ready_at=START + SECOND)
    await commit_steps(storage, 1, c=insert(later), a=insert(later))
    assert [record.key for record in await storage.list_steps(run_id(1))] == ["z", "b", "c", "a"]


async def test_steps_that_were_never_ready_stand_where_they_ended(storage: Storage) -> None:
    skipped = state(StepStatus.SKIPPED, ended_at=START + SECOND)
    await create(storage, creation(steps={"skipped": insert(skipped), "a": insert(state())}))
    await commit_steps(storage, 1, b=insert(state(ready_at=START + 2 * SECOND)))
    assert [record.key for record in await storage.list_steps(run_id(1))] == ["a", "skipped", "b"]


async def test_a_step_keeps_its_place_while_it_runs_and_ends(storage: Storage) -> None:
    await create(storage, creation(steps={"b": insert(state()), "a": insert(state())}))
    await commit_claim(storage, claim(step_key="b"))
    done = state(StepStatus.SUCCEEDED, 1, ready_at=START)
    await commit_steps(storage, 1, b=overwrite((StepStatus.RUNNING, 1), done))
    assert [record.key for record in await storage.list_steps(run_id(1))] == ["b", "a"]


async def test_steps_can_be_asked_for_by_their_keys(storage: Storage) -> None:
    await create(storage, creation(steps={key: insert(state()) for key in ("a", "b", "c.0.d", "e")}))
    found = await storage.list_steps(run_id(1), keys=frozenset({"c.0.d", "b", "nobody"}))
    assert [record.key for record in found] == ["b", "c.0.d"]
    assert await storage.list_steps(run_id(1), keys=frozenset()) == []


async def test_a_running_step_is_shown_with_its_lease(storage: Storage, lease_clock: StillClock) -> None:
    await create(storage, creation(steps={"a": insert(state())}))
    [ready] = await storage.list_steps(run_id(1))
    assert (ready.ready_at, ready.lease_until) == (START, None)
    await commit_claim(storage, claim(step_key="a", lease_seconds=30.0))
    [running] = await storage.list_steps(run_id(1))
    assert running.lease_until is not None
    assert abs((running.lease_until - lease_clock.now()).total_seconds() - 30) < 5
    await commit_steps(storage, 1, a=overwrite((StepStatus.RUNNING, 1), state(StepStatus.SUCCEEDED, 1)))
    [done] = await storage.list_steps(run_id(1))
    assert done.lease_until is None


async def test_a_step_is_shown_with_all_its_facts(storage: Storage) -> None:
    shown = state(
        StepStatus.PENDING, 3, due_at=START + SECOND, reason="polling", owner="w", started_at=START, ended_at=START
    )
    await create(storage, creation(steps={"a": insert(shown, type="Poll", trace=[{"text": "x"}])}))
    [record] = await storage.list_steps(run_id(1))
    assert (record.key, record.type, record.status, record.attempt) == ("a", "Poll", StepStatus.PENDING, 3)
    assert (record.due_at, record.started_at, record.ended_at) == (START + SECOND, START, START)
    assert (record.reason, record.owner, record.trace) == ("polling", "w", [{"text": "x"}])


async def test_a_loop_shows_its_progress(storage: Storage) -> None:
    progress = LoopProgress(9, 4, 2, 1, 1, first_failure="loop.3.a")
    await create(storage, creation(steps={"loop": insert(state(StepStatus.RUNNING, progress=progress))}))
    [record] = await storage.list_steps(run_id(1))
    assert record.loop == {
        "kind": "loop",
        "total": 9, "started": 4, "succeeded": 2, "failed": 1, "skipped": 1, "first_failure": "loop.3.a",
    }  # fmt: skip


async def test_an_unknown_run_has_no_steps_and_no_history(storage: Storage) -> None:
    assert await storage.list_steps(run_id(1)) == []
    assert await storage.list_events(run_id(1)) == []


# -- history


async def test_history_is_told_oldest_first(storage: Storage, clock: StillClock) -> None:
    await create(
        storage, creation(facts=[{"type": "run.started", "trigger": "manual"}, {"type": "step.ready", "step": "a"}])
    )
    await commit_claim(storage, claim())
    await commit_advance(
        storage, advance(1, 1, facts=[{"type": "run.completed", "n": 2**70, "x": None}], at=clock.forward(2))
    )
    events = await storage.list_events(run_id(1))
    assert [(event.index, event.type, event.step_key) for event in events] == [
        (0, "run.started", None),
        (1, "step.ready", "a"),
        (0, "step.started", "a"),
        (0, "run.completed", None),
    ]
    assert [event.at for event in events] == [START, START, START, START + 2 * SECOND]
    assert (events[0].data, events[1].data, events[3].data) == ({"trigger": "manual"}, {}, {"n": 2**70, "x": None})


async def test_sequences_rise_from_commit_to_commit(storage: Storage) -> None:
    await create(storage, creation(1), creation(2))
    for revision in (1, 2, 3):
        await commit_advance(storage, advance(1, revision, facts=[{"type": "x"}, {"type": "y"}]))
    sequences = [event.sequence for event in await storage.list_events(run_id(1))]
    assert sequences == sorted(sequences)
    assert len(set(sequences)) == 4


async def test_history_can_be_read_on_from_where_one_was(storage: Storage) -> None:
    await create(storage)
    for revision in (1, 2, 3):
        await commit_advance(storage, advance(1, revision, facts=[{"type": f"x{revision}"}, {"type": "y"}]))
    first = await storage.list_events(run_id(1), limit=2)
    rest = await storage.list_events(run_id(1), after=first[-1].sequence)
    assert [event.type for event in first] == ["run.started", "x1", "y"]
    assert [event.type for event in rest] == ["x2", "y", "x3", "y"]


async def test_the_history_of_a_run_is_its_own(storage: Storage) -> None:
    await create(storage, creation(1, facts=[{"type": "one"}]), creation(2, facts=[{"type": "two"}]))
    assert [event.type for event in await storage.list_events(run_id(2))] == ["two"]


async def test_changing_an_answer_does_not_change_the_store(storage: Storage) -> None:
    await create(storage, creation(facts=[{"type": "x", "list": [1]}], steps={"a": insert(state(), trace=[{"n": 1}])}))
    (await storage.list_events(run_id(1)))[0].data["list"].append(2)
    [record] = await storage.list_steps(run_id(1), payloads=True)
    assert isinstance(record.trace, list)
    record.trace.clear()
    assert (await storage.list_events(run_id(1)))[0].data == {"list": [1]}
    assert (await storage.list_steps(run_id(1)))[0].trace == [{"n": 1}]
