"""Runs are found by their tags, and by what has failed in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from floworch.core.machine.state import ParentStep, StepState
from floworch.core.model.payload import Payload
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.ports.storage import Batch, Creation, RunFilter, Storage
from tests.contracts.storage.builders import (
    FLOW,
    START,
    advance,
    commit_advance,
    create,
    creation,
    flow,
    insert,
    overwrite,
    run_id,
    state,
)

SECOND = timedelta(seconds=1)
ACME = {"tenant": "acme"}
IMPORT = {"tenant": "acme", "kind": "import"}


def tagged(number: int, tags: Mapping[str, str], *, seconds: int = 0, flow_id: UUID = FLOW) -> Creation:
    """A run that starts so long after ``START``."""
    run = creation(number, started_at=START + seconds * SECOND, flow_id=flow_id)
    run.facts_of_run = replace(run.facts_of_run, tags=tags)
    return run


def failed(number: int, error: StepError, status: StepStatus = StepStatus.FAILED) -> Creation:
    """A run with a step that has that error."""
    step = StepState(status, 1, reason=error.message)
    return creation(number, steps={"a": insert(step, error=error), "b": insert(state())})


async def numbers(storage: Storage, where: RunFilter, limit: int = 100) -> list[int]:
    found: list[int] = []
    page = await storage.list_runs(where, limit)
    found += [run.id.int & 0xFFFF for run in page.runs]
    while page.next_cursor is not None:
        page = await storage.list_runs(where, limit, page.next_cursor)
        found += [run.id.int & 0xFFFF for run in page.runs]
    return found


async def test_tags_are_shown_with_the_run_and_loaded_with_it(storage: Storage) -> None:
    tags = {"tenant": 'Äcme "& Co"', "名": "値", "empty": ""}
    await create(storage, tagged(1, tags), creation(2))

    shown = await storage.get_run(run_id(1))
    bare = await storage.get_run(run_id(2))
    listed = (await storage.list_runs(RunFilter(), 10)).runs
    loaded = await storage.load([run_id(1), run_id(2)])

    assert shown is not None
    assert bare is not None
    assert (shown.tags, bare.tags) == (tags, {})
    assert {run.id: run.tags for run in listed} == {run_id(1): tags, run_id(2): {}}
    assert (loaded[run_id(1)].facts.tags, loaded[run_id(2)].facts.tags) == (tags, {})


async def test_children_and_runs_of_ticks_have_tags(storage: Storage) -> None:
    await create(storage)
    child = tagged(2, ACME)
    child.facts_of_run = replace(child.facts_of_run, parent=ParentStep(run_id(1), "a", 1, waits=True, depth=1))
    child.only_with = run_id(1)
    waits = {"a": overwrite((StepStatus.READY, 0), state(StepStatus.PENDING), input=Payload("{}"))}
    await storage.commit(Batch(creations=[child], advances=[advance(1, 1, waits)]))
    tick = tagged(3, ACME)
    tick.facts_of_run = replace(tick.facts_of_run, scheduled_at=START)
    await create(storage, tick)

    assert await numbers(storage, RunFilter(tags=ACME)) == [3, 2]


async def test_all_tags_must_hold(storage: Storage) -> None:
    await create(storage, tagged(1, ACME), tagged(2, IMPORT), tagged(3, {"tenant": "zenith"}), creation(4))

    assert await numbers(storage, RunFilter(tags=ACME)) == [2, 1]
    assert await numbers(storage, RunFilter(tags=IMPORT)) == [2]
    assert await numbers(storage, RunFilter(tags={"kind": "import", "tenant": "zenith"})) == []


@pytest.mark.parametrize("tags", [{"tenant": "ACME"}, {"Tenant": "acme"}, {"tenant": "acm%"}, {"tenant": ""}])
async def test_a_tag_is_found_as_it_is_written_only(storage: Storage, tags: dict[str, str]) -> None:
    await create(storage, tagged(1, ACME))

    assert await numbers(storage, RunFilter(tags=tags)) == []


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_of_tagged_runs_show_each_one_once_newest_first(storage: Storage, limit: int) -> None:
    await create(
        storage,
        *(tagged(number, IMPORT, seconds=seconds) for number, seconds in ((1, 5), (2, 9), (3, 5), (4, 1))),
        tagged(5, {"tenant": "zenith"}, seconds=6),
    )

    assert await numbers(storage, RunFilter(tags=IMPORT), limit) == [2, 3, 1, 4]


async def test_tags_go_together_with_everything_else(storage: Storage) -> None:
    await create(storage, *(tagged(number, ACME, seconds=number) for number in range(1, 5)))
    await create(storage, tagged(5, ACME, seconds=5, flow_id=flow(2).id), creation(6, started_at=START + 3 * SECOND))
    ended: dict[str, Any] = {"status": RunStatus.FAILED, "ended_at": START + 9 * SECOND}
    await commit_advance(storage, advance(2, 1, **ended))
    both = frozenset({RunStatus.RUNNING, RunStatus.FAILED})

    assert await numbers(storage, RunFilter(tags=ACME, statuses=frozenset({RunStatus.FAILED}))) == [2]
    assert await numbers(storage, RunFilter(tags=ACME, statuses=both), 2) == [5, 4, 3, 2, 1]
    assert await numbers(storage, RunFilter(tags=ACME, flow_id=FLOW)) == [4, 3, 2, 1]
    span: dict[str, Any] = {"started_from": START + 2 * SECOND, "started_before": START + 4 * SECOND}
    assert await numbers(storage, RunFilter(tags=ACME, **span)) == [3, 2]


async def test_tags_of_a_run_that_its_key_has_kept_from_starting_are_not_kept(storage: Storage) -> None:
    await create(storage, creation(1, key="k"))
    second = tagged(2, ACME)
    second.facts_of_run = replace(second.facts_of_run, idempotency_key="k")

    assert await create(storage, second) == [run_id(1)]
    assert await numbers(storage, RunFilter(tags=ACME)) == []


async def test_tags_are_deleted_with_their_run(storage: Storage) -> None:
    gone = tagged(1, ACME)
    gone.status, gone.ended_at = RunStatus.SUCCEEDED, START
    await create(storage, gone, tagged(2, ACME))

    assert (await storage.delete_runs(START + SECOND, 10, START)).runs == 1

    assert await numbers(storage, RunFilter(tags=ACME)) == [2]
    await create(storage, tagged(1, ACME))  # nothing of the old ones is in its way
    assert await numbers(storage, RunFilter(tags=ACME)) == [2, 1]


TIMEOUT = StepError("Timeout", 'The "charge" took 100% of 30_000 ms [gave up]')


@pytest.mark.parametrize(
    "text",
    ["took 100%", "TOOK", "30_000", '"charge"', "[gave", "timeout", "meou", 'The "charge" took 100% of 30_000 ms'],
)
async def test_runs_are_found_by_the_words_of_an_error(storage: Storage, text: str) -> None:
    await create(storage, failed(1, TIMEOUT), failed(2, StepError("ValueError", "no such order")), creation(3))

    assert await numbers(storage, RunFilter(error=text)) == [1]


@pytest.mark.parametrize("text", ["300000", "10%0", "[aegv]", "traceback", "nobody", "message", '"type"', 'Timeout",'])
async def test_text_of_an_error_is_no_pattern_and_nothing_else_is_searched(storage: Storage, text: str) -> None:
    await create(storage, failed(1, replace(TIMEOUT, traceback="nobody reads this")))

    assert await numbers(storage, RunFilter(error=text)) == []


async def test_only_errors_of_steps_that_have_failed_count(storage: Storage) -> None:
    await create(storage, failed(1, TIMEOUT, StepStatus.PENDING), failed(2, TIMEOUT))

    assert await numbers(storage, RunFilter(error="timeout")) == [2]


async def test_the_message_of_an_error_is_searched_however_long_it_is(storage: Storage) -> None:
    await create(storage, failed(1, StepError("ValueError", f"{'x' * 40_000} the end")))

    assert await numbers(storage, RunFilter(error="THE END")) == [1]


async def test_errors_and_tags_are_searched_together(storage: Storage) -> None:
    both, other = failed(1, TIMEOUT), failed(2, TIMEOUT)
    both.facts_of_run = replace(both.facts_of_run, tags=ACME)
    await create(storage, both, other, tagged(3, ACME))

    assert await numbers(storage, RunFilter(tags=ACME, error="timeout")) == [1]


async def test_runs_are_found_by_their_end(storage: Storage) -> None:
    await create(storage, *(creation(number) for number in range(1, 5)))
    for number in (1, 2, 3):
        ended: dict[str, Any] = {"status": RunStatus.SUCCEEDED, "ended_at": START + number * SECOND}
        await commit_advance(storage, advance(number, 1, **ended))

    assert await numbers(storage, RunFilter(ended_from=START + 2 * SECOND)) == [3, 2]
    assert await numbers(storage, RunFilter(ended_before=START + 2 * SECOND)) == [1]
    assert await numbers(storage, RunFilter(ended_from=START, ended_before=START + 9 * SECOND)) == [3, 2, 1]
