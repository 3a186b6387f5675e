"""The program around the weather flow."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.weather_report import main as program


def run_program(folder: Path, *arguments: str) -> int:
    return program.main(["--database", str(folder / "w.db"), "--report", str(folder / "r.html"), *arguments])


def test_the_program_shows_the_steps_and_where_the_results_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(tmp_path) == 0

    shown = capsys.readouterr().out
    assert "months: Succeeded (48 steps in the loop)" in shown
    assert "48 Succeeded" in shown
    assert f"Report:   {tmp_path / 'r.html'}" in shown
    assert f"Database: {tmp_path / 'w.db'} (1 run)" in shown


def test_a_second_run_is_added_to_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_program(tmp_path)
    run_program(tmp_path)

    assert "(2 runs)" in capsys.readouterr().out


def test_the_program_ends_with_1_and_the_reason_when_the_run_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(tmp_path, "--source", str(tmp_path / "missing.csv")) == 1

    assert "Error:    step 'extract' failed" in capsys.readouterr().out


def test_the_program_ends_with_1_when_the_database_cannot_be_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.db").mkdir()

    assert run_program(tmp_path) == 1

    assert "StorageUnavailable" in capsys.readouterr().out
