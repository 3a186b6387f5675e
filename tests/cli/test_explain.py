"""``floworch explain``, and the history as text."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import floworch
from floworch.cli.event_words import EVENT_WORDS, event_words
from floworch.cli.views.event_lines import history_lines
from floworch.core.model.records import HistoryEvent
from tests.cli.commands import SHARED, call

START = datetime(2030, 1, 1, 9, tzinfo=UTC)
SOURCE = Path(floworch.__file__).parent


def _run(flow: str, *options: str) -> str:
    answer = call("run", SHARED, flow, "--json", *options)
    return str(answer.lines[-1]["result"]["id"])


def _start(flow: str) -> str:
    return str(call("run", SHARED, flow, "--detach", "--json").document["id"])


def _event(event_type: str, step: str | None = None, at: float = 0, **data: Any) -> HistoryEvent:
    return HistoryEvent(1, 0, UUID(int=1), START + timedelta(seconds=at), event_type, step, data)


def test_a_run_that_has_failed_is_explained_by_its_step() -> None:
    run_id = _run("Fails")

    text = call("explain", SHARED, run_id).out
    document = call("explain", SHARED, run_id, "--json").document

    assert text.startswith("run: Failed\nThe run of flow 'Fails' failed at ")
    assert "Step 'price' failed" in text
    assert "ValueError: the item -1 has no price" in text
    assert [reason["code"] for reason in document["reasons"]] == ["failed", "failed"]
    assert document["runId"] == run_id


def test_a_step_is_explained_back_to_what_it_began_with() -> None:
    run_id = _run("Fails")

    text = call("explain", SHARED, run_id, "after").out
    document = call("explain", SHARED, run_id, "after", "--json").document

    assert text.startswith("after: Skipped\nStep 'after' was skipped at ")
    assert "it runs after that one Succeeded" in text
    assert [reason["stepKey"] for reason in document["reasons"]] == ["after", "price"]


def test_a_run_that_waits_for_a_worker_says_so() -> None:
    run_id = _start("Orders")

    document = call("explain", SHARED, run_id, "--json").document

    assert [(reason["code"], reason["stepKey"]) for reason in document["reasons"]] == [("worker", "hello")]
    assert document["then"] == ["items", "sorry", "confirm"]
    assert "then: items, sorry, confirm" in call("explain", SHARED, run_id).out


def test_the_target_may_come_from_the_environment_with_and_without_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = _run("Fails")
    monkeypatch.setenv("FLOWORCH_TARGET", SHARED)

    assert call("explain", run_id).out.startswith("run: Failed")
    assert call("explain", run_id, "after").out.startswith("after: Skipped")


def test_a_step_that_the_flow_does_not_have_exits_with_3() -> None:
    answer = call("explain", SHARED, _start("Orders"), "helo")

    assert answer.code == 3
    assert "Did you mean 'hello'?" in answer.err


# -- the history in words


def test_the_history_is_told_with_times_workers_and_how_long_it_took() -> None:
    lines = call("show", SHARED, _run("Fails"), "--history").out.splitlines()

    [started] = [line for line in lines if "price" in line and "started, attempt 1, by " in line]
    assert "+0." in started
    [failed] = [line for line in lines if "failed: ValueError: the item -1 has no price, after 0." in line]
    assert failed.split()[1].startswith("+")
    assert any("run " in line and "ended Failed, after " in line for line in lines)


def test_an_attempt_is_timed_from_its_start_and_a_wait_from_its_beginning() -> None:
    events = [
        _event("run.started", at=0, trigger="manual", version="1"),
        _event("step.pending", "ask", at=1, signals=["go"]),
        _event("step.started", "a", at=2, attempt=1, worker="w"),
        _event("step.attempt_failed", "a", at=5, attempt=1, error={"type": "E", "message": "m"}),
        _event("step.started", "a", at=60, attempt=2, worker="w"),
        _event("step.completed", "a", at=61, attempt=2),
        _event("step.completed", "ask", at=241, attempt=1),
        _event("run.completed", at=86_400, status="Succeeded"),
    ]

    told = [str(line) for line in history_lines(events, START)]

    took = [line.rpartition(", after ")[2] for line in told if ", after " in line]
    assert took == ["3.00 s", "1.00 s", "4 min 00 s", "1 d 00 h"]
    days = [line for line in told if len(line) == 10]
    assert len(days) == 2
    assert "+1 min 01 s" in told[6]


def test_who_did_it_is_told() -> None:
    assert (
        event_words(_event("run.stop_requested", kind="Cancelled", by="ada")) == "is being stopped (Cancelled) (by ada)"
    )


def test_an_event_of_a_newer_version_is_told_by_its_name() -> None:
    assert event_words(_event("step.turned_around", "a")) == "turned around"


@pytest.mark.parametrize("event_type", EVENT_WORDS)
def test_words_are_found_also_where_the_data_are_of_an_older_version(event_type: str) -> None:
    assert event_words(_event(event_type, "a"))


def test_every_fact_that_the_machine_writes_has_words_and_a_place_in_the_log() -> None:
    written = set(_fact_types())
    journal = (SOURCE / "core" / "engine" / "journal.py").read_text(encoding="utf-8")

    assert {"run.started", "step.lost", "signal.taken"} <= written
    assert written - EVENT_WORDS.keys() == set()
    assert [kind for kind in sorted(written) if json.dumps(kind) not in journal] == []


def _fact_types() -> Iterator[str]:
    """The first argument of every call of ``fact``, wherever it is in the machine."""
    for path in (SOURCE / "core" / "machine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fact":
                [*first, _] = [*node.args[:1], None]
                assert first, f"{path}:{node.lineno}: a fact without a type"
                assert isinstance(first[0], ast.Constant), f"{path}:{node.lineno}: the type of a fact is written out"
                yield str(first[0].value)


# -- health


def test_a_store_with_nothing_late_is_healthy_and_exits_with_0() -> None:
    _start("Orders")

    answer = call("health", SHARED)

    assert (answer.code, answer.out) == (0, "healthy\n")
    assert call("health", SHARED, "--json").document["status"] == "healthy"


def test_steps_that_nobody_takes_make_it_exit_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = _start("Orders")
    monkeypatch.setenv("FLOWORCH_READY_GRACE_SECONDS", "0.001")

    answer = call("health", SHARED)
    document = call("health", SHARED, "--json").document

    assert answer.code == 1
    assert answer.out.startswith("degraded\nsteps")
    [reason] = document["reasons"]
    assert reason["details"]["first"] == [{"runId": run_id, "stepKey": "hello", "type": "LogMessage"}]


def test_a_store_that_is_not_there_exits_with_5(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ORDERS_DB", str(tmp_path / "no-such-folder" / "orders.db"))

    assert call("health", SHARED).code == 5
