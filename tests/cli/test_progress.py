"""How far a run is, as its history tells it; and which rows of it a terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from floworch.cli.progress import RunProgress
from floworch.cli.views.run_view import RunView
from floworch.cli.views.step_rows import StepRow, progress_rows, record_rows
from floworch.core.model.manifest import Compensation, FlowManifest, ForEach, Scope, Step, Until
from floworch.core.model.records import HistoryEvent, RunRecord, StepRecord
from floworch.core.model.status import RunStatus, StepStatus

START = datetime(2030, 1, 1, tzinfo=UTC)
MANIFEST = FlowManifest(
    steps={
        "load": Step(type="Load"),
        "each": ForEach(
            for_each=[1, 2, 3],
            run_after=["load"],
            steps={"first": Step(type="First"), "second": Step(type="Second", run_after=["first"])},
        ),
        "last": Step(type="Last", run_after=["each"]),
    }
)
Told = tuple[str, str | None, dict[str, Any]]


def _progress(*told: Told) -> RunProgress:
    """After these events, one second apart."""
    progress = RunProgress(MANIFEST)
    for second, (kind, key, data) in enumerate(told):
        progress.apply(HistoryEvent(second, 0, UUID(int=1), START + timedelta(seconds=second), kind, key, data))
    return progress


def _started(key: str, attempt: int = 1) -> Told:
    return ("step.started", key, {"attempt": attempt})


def _completed(key: str) -> Told:
    return ("step.completed", key, {"attempt": 1})


LOOP: Sequence[Told] = (_started("load"), _completed("load"), ("step.started", "each", {"attempt": 1, "iterations": 3}))


def test_a_suspension_is_told_until_it_is_over() -> None:
    suspended: Told = ("run.suspended", None, {"reason": "the bank is closed"})
    parked: Told = ("step.suspended", "load", {"attempt": 0})

    progress = _progress(suspended, parked)

    assert (progress.suspension, progress.top["load"].status) == ("the bank is closed", StepStatus.PENDING)
    for end in ("run.resumed", "run.stop_requested"):
        assert _progress(suspended, parked, (end, None, {})).suspension is None


def test_loop_with_a_condition_tells_its_iteration_and_shows_what_runs_in_it() -> None:
    progress = RunProgress(
        FlowManifest(steps={"u": Until(until="@index() > 3", steps={"x": Step(type="First")}, delay=1)})
    )
    told: Sequence[Told] = (
        _started("u"),
        _started("u.0.x"),
        _completed("u.0.x"),
        ("step.pending", "u", {"attempt": 1, "until": (START + timedelta(seconds=3)).isoformat()}),
        ("step.continued", "u", {"attempt": 1, "iteration": 1}),
        _started("u.1.x"),
    )
    for second, (kind, key, data) in enumerate(told):
        progress.apply(HistoryEvent(second, 0, UUID(int=1), START + timedelta(seconds=second), kind, key, data))

    rows = progress_rows(progress, START)

    assert [(row.name, row.status, row.note) for row in rows] == [
        ("u", StepStatus.RUNNING, "iteration 1"),
        ("1.x", StepStatus.RUNNING, ""),
    ]


def test_before_anything_happens_every_step_waits() -> None:
    progress = _progress()

    assert [(step.key, step.type, step.status) for step in progress.top.values()] == [
        ("load", "Load", None),
        ("each", "ForEach", None),
        ("last", "Last", None),
    ]
    assert progress.done == 0


def test_an_iteration_counts_when_all_its_steps_are_final() -> None:
    half = _progress(*LOOP, _started("each.0.first"), _completed("each.0.first"))
    whole = _progress(*LOOP, _completed("each.0.first"), ("step.skipped", "each.0.second", {"attempt": 0}))

    assert (half.top["each"].done, half.top["each"].total) == (0, 3)
    assert whole.top["each"].done == 1


def test_a_retried_iteration_counts_no_more() -> None:
    failed = (
        *LOOP,
        ("step.failed", "each.0.first", {"error": {"message": "no"}}),
        ("step.skipped", "each.0.second", {}),
    )

    before, after = _progress(*failed), _progress(*failed, ("step.ready", "each.0.first", {"attempt": 1}))

    assert (before.top["each"].done, after.top["each"].done) == (1, 0)


def test_inside_a_loop_only_what_is_under_way_or_failed_is_kept() -> None:
    progress = _progress(
        *LOOP,
        _started("each.0.first"),
        _completed("each.0.first"),
        _started("each.1.first"),
        ("step.failed", "each.2.first", {"attempt": 1, "error": {"message": "no"}}),
    )

    assert [step.key for step in progress.inside("each")] == ["each.1.first", "each.2.first"]


def test_a_failed_attempt_waits_for_the_next_one() -> None:
    retry_at = START + timedelta(seconds=9)
    data = {"attempt": 1, "error": {"message": "timed out"}, "retry_at": retry_at.isoformat()}

    (row, *_) = progress_rows(_progress(_started("load"), ("step.attempt_failed", "load", data)), START)

    assert (row.status, row.attempt, row.note) == (StepStatus.PENDING, 1, "goes on in 9.00 s: timed out")


def test_a_run_tells_how_it_ended_and_why_it_stops() -> None:
    stopping = _progress(("run.stop_requested", None, {"kind": "Cancelled", "reason": "enough"}))
    ended = _progress(("run.completed", None, {"status": "Failed"}))

    assert (stopping.stop_reason, ended.status) == ("enough", RunStatus.FAILED)


def test_a_step_that_waits_again_is_as_new() -> None:
    progress = _progress(("step.skipped", "last", {"reason": "no"}), ("step.reset", "last", {}))

    assert progress.top["last"].status is None


def test_what_went_well_last_is_shown_rather_than_what_went_well_first() -> None:
    manifest = FlowManifest(steps={f"s{number}": Step(type="T") for number in range(9)})
    progress = RunProgress(manifest)
    for number in range(8):
        progress.apply(HistoryEvent(number, 0, UUID(int=1), START, "step.completed", f"s{number}", {"attempt": 1}))

    rows = progress_rows(progress, START, 4)

    assert [row.name for row in rows] == ["s6", "s7", "s8", "… 6 more steps"]


@pytest.mark.parametrize("height", [3, 4, 5, 20])
def test_rows_fit_the_terminal_and_what_is_under_way_comes_first(height: int) -> None:
    progress = _progress(*LOOP, *(_started(f"each.{index}.first") for index in range(9)))

    rows = progress_rows(progress, START, height)

    assert len(rows) <= height
    assert "each" in [row.name for row in rows]
    assert (rows[-1].is_summary and "more" in rows[-1].name) or len(rows) == len(progress_rows(progress, START))


def test_the_time_of_a_step_ends_with_it() -> None:
    progress = _progress(_started("load"), _completed("load"), ("step.started", "each", {"iterations": 3}))

    rows = progress_rows(progress, START + timedelta(seconds=60))

    assert [row.elapsed for row in rows[:2]] == ["1.00 s", "58.0 s"]


def test_stored_steps_are_a_tree() -> None:
    keys = [
        "load",
        "each",
        "each.10.first",
        "last",
        "each.2.second",
        "each.2.first",
        "each.2.inner",
        "each.2.inner.0.x",
    ]
    records = [StepRecord(key, "T", StepStatus.SUCCEEDED, 1) for key in keys]

    rows = record_rows(records, START, everything=True)

    assert [(row.depth, row.name) for row in rows] == [
        (0, "load"),
        (0, "each"),
        (1, "[2] second"),
        (1, "[2] first"),
        (1, "[2] inner"),
        (2, "[0] x"),
        (1, "[10] first"),
        (0, "last"),
    ]


def test_the_view_shows_the_flow_its_progress_and_its_steps() -> None:
    run = RunRecord(UUID(int=1), UUID(int=2), "Import", "1.0", "", RunStatus.RUNNING, "manual", 1, START)
    view = RunView(run, _progress(*LOOP, _completed("each.0.first"), _completed("each.0.second")), lambda: START)
    console = Console(width=100, height=30, force_terminal=True, color_system=None, legacy_windows=False)

    with console.capture() as captured:
        console.print(view)

    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert "Import  1/3 steps" in lines[0]
    assert any("each" in line and "━━━━────────" in line and "1/3" in line for line in lines)
    assert any("last" in line and "Waiting" in line for line in lines)


def test_a_summary_row_has_no_status() -> None:
    rows = progress_rows(_progress(*LOOP, *(_started(f"each.{index}.first") for index in range(9))), START)

    assert rows[8] == StepRow("… 3 more steps inside", depth=1, is_summary=True)


def test_steps_of_scopes_are_shown_as_a_tree_in_the_order_of_their_branches() -> None:
    keys = ["pay", "pay.steps.charge", "pay.finally.close", "pay.compensate.charge", "pay.catch.notify", "after"]
    records = [
        StepRecord(key=key, type="Work", status=StepStatus.SUCCEEDED, attempt=1, started_at=START, ended_at=START)
        for key in keys
    ]

    assert [row.name for row in record_rows(records, START, everything=False)] == [
        "pay",
        "[steps] charge",
        "[compensate] charge",
        "[catch] notify",
        "[finally] close",
        "after",
    ]


def test_what_is_under_way_in_a_scope_is_shown_with_its_own_type() -> None:
    charge = Step(type="Charge", compensate=Compensation(type="Refund"))
    progress = RunProgress(FlowManifest(steps={"pay": Scope(steps={"charge": charge})}))
    told = (
        ("step.started", "pay", {"attempt": 1, "branch": "steps"}),
        _started("pay.steps.charge"),
        _completed("pay.steps.charge"),
        ("step.continued", "pay", {"attempt": 1, "branch": "compensate", "steps": ["pay.compensate.charge"]}),
        _started("pay.compensate.charge"),
    )
    for second, (kind, key, data) in enumerate(told):
        progress.apply(HistoryEvent(second, 0, UUID(int=1), START + timedelta(seconds=second), kind, key, data))

    rows = progress_rows(progress, START)
    assert [(row.name, row.type) for row in rows] == [("pay", "Scope"), ("compensate.charge", "Refund")]
