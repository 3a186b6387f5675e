"""``floworch doctor``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from floworch.cli.checks.finding import Level
from floworch.cli.checks.installation import check_clock, check_environment
from floworch.cli.checks.target import check_settings
from floworch.core.engine.settings import EngineSettings
from tests.cli.commands import IN_MEMORY, SHARED, call


def _findings(*arguments: str) -> list[dict[str, Any]]:
    findings: list[dict[str, Any]] = call("doctor", *arguments, "--json").document["findings"]
    return findings


def test_the_installation_is_examined_without_a_target() -> None:
    answer = call("doctor")

    assert answer.code == 0
    for topic in ("floworch", "python", "sqlite", "packages", "clock"):
        assert topic in answer.out


def test_everything_but_what_is_fine_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWORCH_LEASE_SECOND", "3")
    findings = [*_findings(IN_MEMORY), *_findings(SHARED), *_findings("nowhere:builder")]

    assert {finding["level"] for finding in findings} == {"ok", "warning", "problem"}
    assert [finding for finding in findings if (finding["level"] == "ok") != (finding["advice"] == "")] == []


def test_a_missing_schema_is_a_warning_and_is_not_made(empty_folder: Path) -> None:
    answer = call("doctor", SHARED, "--json")

    (storage,) = (finding for finding in answer.document["findings"] if finding["topic"] == "storage")
    assert answer.code == 0
    assert storage["level"] == "warning"
    assert "does not exist yet" in storage["message"]
    assert list(empty_folder.glob("*.db*")) == []


def test_the_runs_of_a_storage_are_counted() -> None:
    call("run", SHARED, "Orders")
    call("run", SHARED, "Fails")

    (runs,) = (finding for finding in _findings(SHARED) if finding["topic"] == "runs")
    assert "1 Succeeded" in runs["message"]
    assert "1 Failed" in runs["message"]


def test_runs_of_versions_that_cannot_be_read_are_a_warning(empty_folder: Path) -> None:
    call("run", SHARED, "Orders", "--detach")
    before = _warnings_about_runs()
    with closing(sqlite3.connect(empty_folder / "orders.db")) as connection, connection:
        connection.execute("""UPDATE floworch_manifest SET json = '{"inFuture":1}'""")

    [message] = _warnings_about_runs()

    assert before == []
    assert "1 run of 'Orders'" in message
    assert "made for another floworch" in message


def _warnings_about_runs() -> list[str]:
    return [each["message"] for each in _findings(SHARED) if (each["topic"], each["level"]) == ("runs", "warning")]


def test_a_storage_that_cannot_be_used_is_a_problem(empty_folder: Path) -> None:
    (empty_folder / "orders.db").write_text(
        "not a database, though long enough to look like one" * 50, encoding="utf-8"
    )

    answer = call("doctor", SHARED)

    assert answer.code == 1
    assert "is not a SQLite database" in answer.out


def test_a_target_that_cannot_be_loaded_is_a_problem() -> None:
    answer = call("doctor", "nowhere:builder")

    assert answer.code == 1
    assert "there is no module 'nowhere'" in answer.out
    assert "1 problem" in answer.out


@pytest.mark.parametrize(
    ("environment", "level", "words"),
    [
        ({"FLOWORCH_LEASE_SECOND": "3"}, Level.WARNING, "Did you mean FLOWORCH_LEASE_SECONDS?"),
        ({"FLOWORCH_XYZZY_QUUX": "3"}, Level.WARNING, "Known are"),
        ({"FLOWORCH_LEASE_SECONDS": "long"}, Level.PROBLEM, "Correct the variable"),
        ({"FLOWORCH_LEASE_SECONDS": "60"}, Level.OK, ""),
    ],
)
def test_variables_of_the_environment_are_examined(environment: dict[str, str], level: Level, words: str) -> None:
    findings = list(check_environment(environment))

    assert findings[0].level is level
    assert words in findings[0].advice


def test_the_value_of_a_variable_that_is_none_of_ours_is_not_shown() -> None:
    findings = list(check_environment({"FLOWORCH_DATABASE_PASSWORD": "hunter2"}))

    assert "hunter2" not in str(findings)


def test_a_clock_in_the_past_is_a_problem() -> None:
    levels = [finding.level for finding in check_clock(datetime(1970, 1, 2, tzinfo=UTC))]

    assert levels[0] is Level.PROBLEM


@pytest.mark.parametrize(
    ("settings", "environment", "words"),
    [
        (EngineSettings(lease_seconds=10, heartbeat_seconds=6), {}, "a third of lease_seconds"),
        (EngineSettings(handler_threads=100_000), {}, "Lower handler_threads"),
        (EngineSettings(worker_id="one"), {"FLOWORCH_WORKER_ID": "one"}, "no two processes"),
    ],
)
def test_unwise_settings_are_warnings(settings: EngineSettings, environment: dict[str, str], words: str) -> None:
    warnings = [each for each in check_settings(settings, environment) if each.level is Level.WARNING]

    assert [words in each.advice for each in warnings] == [True]
