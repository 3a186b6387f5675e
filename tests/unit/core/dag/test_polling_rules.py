"""What is said about the poll inputs of steps when their flow is registered."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from floworch import Compensation, ConfigurationError, FlowManifest, Scope, Step, polling_handler
from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.validate import validate_manifest
from floworch.core.handlers import HandlerRegistry
from floworch.errors import FlowProblem

TYPES = KnownTypes({"Check", "Plain"}, polling={"check"})


def problems(inputs: dict[str, Any], step_type: str = "Check", known: Any = TYPES) -> list[FlowProblem]:
    steps = {"first": Step(type="Plain"), "a": Step(type=step_type, run_after=["first"], inputs=inputs)}
    return validate_manifest(FlowManifest(steps=steps), "flow", known)


@pytest.mark.parametrize(
    ("inputs", "place", "code", "message"),
    [
        ({"pollIntervall": 5}, "pollIntervall", "unknown_poll_setting", "Did you mean 'pollIntervalSeconds'"),
        ({"poll_xyz": 5}, "poll_xyz", "unknown_poll_setting", "There are pollEnabled, "),
        ({"pollIntervalSeconds": -1}, "pollIntervalSeconds", "bad_poll_setting", "from 0 to"),
        ({"pollIntervalSeconds": "5"}, "pollIntervalSeconds", "bad_poll_setting", "got '5'"),
        ({"pollTimeoutSeconds": True}, "pollTimeoutSeconds", "bad_poll_setting", "number of seconds"),
        ({"pollTimeoutSeconds": 1e12}, "pollTimeoutSeconds", "bad_poll_setting", "ten years"),
        ({"pollMinAttempts": -1}, "pollMinAttempts", "bad_poll_setting", "not negative"),
        ({"pollMinAttempts": 1.5}, "pollMinAttempts", "bad_poll_setting", "whole number"),
        ({"pollEnabled": "yes"}, "pollEnabled", "bad_poll_setting", "true or false"),
        ({"pollConditionPath": ["a"]}, "pollConditionPath", "bad_poll_setting", "must be a path"),
        ({"pollBackoff": "linear"}, "pollBackoff", "bad_poll_setting", "'constant' or 'exponential'"),
        ({"pollJitter": 2}, "pollJitter", "bad_poll_setting", "fraction from 0 to 1"),
        (
            {"pollIntervalSeconds": 60, "pollMaxIntervalSeconds": 30},
            "pollMaxIntervalSeconds",
            "bad_poll_setting",
            "must not be less than pollIntervalSeconds",
        ),
        (
            {"pollCondition": "@result()", "pollConditionPath": "a"},
            "pollConditionPath",
            "two_poll_conditions",
            "either pollCondition or pollConditionPath",
        ),
        ({"pollCondition": "@result( > 1"}, "pollCondition", "bad_expression", "^"),
        ({"pollCondition": "@steps('a').output"}, "pollCondition", "not_finished_before", "its own result"),
        ({"pollConditionEquals": "@result().x"}, "pollConditionEquals", "result_outside_poll", "only pollCondition"),
        ({"job": "@result()"}, "job", "result_outside_poll", "only pollCondition"),
    ],
)
def test_what_cannot_be_meant_is_refused(inputs: dict[str, Any], place: str, code: str, message: str) -> None:
    [problem] = problems(inputs)

    assert (problem.location, problem.code) == (f"steps.a.inputs.{place}", code)
    assert message in problem.message


def test_all_mistakes_are_reported_at_once() -> None:
    found = problems({"pollIntervall": 5, "pollJitter": "x", "pollTimeoutSeconds": -1, "pollCondition": "@("})

    assert len(found) == 4


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"pollIntervalSeconds": 0, "pollMinAttempts": 0, "pollJitter": True, "pollBackoff": "exponential"},
        {"poll_interval_seconds": 5, "POLLTIMEOUTSECONDS": 9},
        {"pollIntervalSeconds": "@triggerBody().pause", "pollConditionEquals": "@triggerBody().wanted"},
        {"pollCondition": "@result().n > steps('first').output && env('REGION') != ''"},
        {"pollCondition": True},
        {"pollIntervalSeconds": None, "pollCondition": None, "pollConditionPath": "a"},
        {"pollution": 1, "polls": 2},
    ],
)
def test_what_can_be_meant_is_accepted(inputs: dict[str, Any]) -> None:
    assert problems(inputs) == []


def test_inputs_of_other_steps_may_be_called_as_they_like() -> None:
    assert problems({"pollIntervall": -5, "pollBackoff": 7}, "Plain") == []
    assert [each.code for each in problems({"pollCondition": "@result()"}, "Plain")] == ["result_outside_poll"]


def test_where_nobody_knows_the_handlers_settings_are_taken_for_settings() -> None:
    assert problems({"pollCondition": "@result().done"}, "Anything", None) == []
    assert [each.code for each in problems({"pollJitter": 5}, "Anything", None)] == ["bad_poll_setting"]


def test_compensations_may_poll_too() -> None:
    undo = Compensation(type="Check", inputs={"pollJitter": 5, "pollCondition": "@result()"})
    steps = {"s": Scope(steps={"a": Step(type="Plain", compensate=undo)})}

    [problem] = validate_manifest(FlowManifest(steps=steps), "flow", TYPES)

    assert problem.location == "steps.s.steps.a.compensate.inputs.pollJitter"


def test_plans_of_polling_steps_have_the_settings_apart() -> None:
    inputs = {"job": "j", "pollIntervalSeconds": 5, "pollCondition": "@result().done"}
    manifest = FlowManifest(steps={"a": Step(type="CHECK", inputs=inputs), "b": Step(type="Plain", inputs=inputs)})

    steps = compile_manifest(UUID(int=1), "flow", "1", manifest, {"check"}).root.steps

    assert steps["a"].inputs.source == {"job": "j"}
    assert steps["a"].poll is not None
    assert steps["a"].poll.settings.source == {"pollIntervalSeconds": 5}
    assert steps["a"].poll.condition is not None
    assert steps["b"].poll is None
    assert steps["b"].inputs.source == inputs


def test_a_polling_handler_cannot_have_a_parameter_that_is_a_setting() -> None:
    @polling_handler("Check")
    def check(job: str, poll_interval_seconds: int) -> None:
        """Never called."""

    with pytest.raises(ConfigurationError, match="'poll_interval_seconds' would never get a value"):
        HandlerRegistry().add(check)
