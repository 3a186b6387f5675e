"""Errors become messages and exit codes."""

from __future__ import annotations

import json

import pytest

from floworch import errors
from floworch.cli.errors import TargetError
from floworch.cli.exits import ExitCode, exit_code_of
from tests.cli.commands import SHARED, call

CODES: dict[type[errors.FloworchError], int] = {
    errors.ConfigurationError: 2,
    errors.InvalidPayload: 2,
    errors.PayloadTooLarge: 2,
    TargetError: 2,
    errors.NotFound: 3,
    errors.FlowNotFound: 3,
    errors.RunNotFound: 3,
    errors.StepNotFound: 3,
    errors.InvalidTransition: 4,
    errors.FlowDisabled: 4,
    errors.IdempotencyConflict: 4,
    errors.SignalNotExpected: 4,
    errors.StorageError: 5,
    errors.StorageUnavailable: 5,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_every_kind_of_error_has_its_code(kind: type[errors.FloworchError], code: int) -> None:
    assert exit_code_of(kind("because")) == code


def test_problems_of_flows_are_a_failure() -> None:
    assert exit_code_of(errors.FlowValidationError([])) == ExitCode.FAILED


def test_an_error_is_one_message_without_a_traceback() -> None:
    answer = call("show", SHARED, "nonsense")

    assert "'nonsense' is not the id of a run" in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_debug_adds_the_traceback_and_keeps_the_code() -> None:
    answer = call("show", SHARED, "nonsense", "--debug")

    assert answer.code == ExitCode.NOT_FOUND
    assert "Traceback" in answer.err
    assert "'nonsense' is not the id of a run" in answer.err


def test_json_makes_an_error_one_line_of_json_on_stderr() -> None:
    answer = call("show", SHARED, "nonsense", "--json")

    (line,) = answer.err.splitlines()
    assert json.loads(line)["error"]["type"] == "RunNotFound"
    assert answer.out == ""
