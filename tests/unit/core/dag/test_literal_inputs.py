"""What is wrong with the literal inputs of a request is told when its flow is registered."""

from __future__ import annotations

from typing import Any

import pytest

from floworch import Compensation, FlowManifest, Scope, Step
from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.validate import validate_manifest
from floworch.core.handlers import HandlerRegistry
from floworch.core.handlers.builtin import BUILTIN_HANDLERS

URL = "https://example.com"


def problems(step: Step | Scope) -> list[tuple[str, str]]:
    registry = HandlerRegistry()
    registry.add(*BUILTIN_HANDLERS)
    registry.add("Work", lambda: None)
    types = KnownTypes({*registry.types, "Scope"}, checks=registry.checks)
    return [
        (problem.location, problem.message)
        for problem in validate_manifest(FlowManifest(steps={"a": step}), "Tested", types)
    ]


def request(**inputs: Any) -> Step:
    return Step(type="HttpRequest", inputs={"url": URL, **inputs})


@pytest.mark.parametrize(
    ("inputs", "name", "message"),
    [
        ({"url": "ftp://example.com"}, "url", "should match pattern"),
        ({"url": None}, "url", "should be a valid string"),
        ({"method": "get it"}, "method", "should match pattern"),
        ({"timeoutSeconds": 0}, "timeoutSeconds", "greater than 0"),
        ({"timeout_seconds": "soon"}, "timeout_seconds", "valid number"),
        ({"expectedStatuses": ["2xx", 999]}, "expectedStatuses", "999 is no status"),
        ({"verb": "GET"}, "verb", "is not known to the handler"),
    ],
)
def test_a_literal_that_no_request_can_have_is_a_problem_of_the_flow(
    inputs: dict[str, Any], name: str, message: str
) -> None:
    [(location, told)] = problems(request(**inputs))
    assert location == f"steps.a.inputs.{name}"
    assert message in told


def test_an_input_that_is_missing_is_a_problem_too() -> None:
    assert problems(Step(type="httprequest")) == [("steps.a.inputs.url", "input 'url' is missing.")]


def test_what_an_expression_gives_is_only_known_at_run_time() -> None:
    given = {"url": "@triggerBody().url", "method": "@triggerBody().method", "headers": {"x": "@env('TOKEN')"}}
    assert problems(Step(type="HttpRequest", inputs={**given, "timeoutSeconds": 5})) == []


def test_requests_that_undo_something_are_checked_too() -> None:
    undo = Compensation(type="HttpRequest", inputs={"url": "nowhere"})
    [(location, _)] = problems(Scope(steps={"b": Step(type="Work", compensate=undo)}))
    assert location == "steps.a.steps.b.compensate.inputs.url"
