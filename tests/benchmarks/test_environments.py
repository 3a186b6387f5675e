from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.contenders import CONTENDERS
from benchmarks.environments import REQUIREMENTS, interpreter_of, variable_of, versions_in
from benchmarks.presence import why_absent


def test_without_an_environment_contenders_run_where_we_do() -> None:
    assert interpreter_of(None) == Path(sys.executable)


def test_a_variable_names_another_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWORCH_BENCH_CELERY_PYTHON", "/somewhere/python")

    assert interpreter_of("celery") == Path("/somewhere/python")


def test_versions_are_told_of_what_is_installed() -> None:
    assert list(versions_in(None, ["pydantic", "no-such-distribution"])) == ["pydantic"]


def test_nothing_is_installed_in_an_environment_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable_of("celery"), "/nowhere/python")

    assert versions_in("celery", ["celery"]) == {}


def test_a_contender_whose_environment_is_not_there_tells_how_to_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable_of("prefect"), "/nowhere/python")

    reason = why_absent(CONTENDERS["prefect"], None)

    assert reason is not None
    assert "--install-peers" in reason


def test_every_environment_has_requirements() -> None:
    assert {each.environment for each in CONTENDERS.values()} - {None} == set(REQUIREMENTS)
