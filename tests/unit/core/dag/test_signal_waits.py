"""What is said about a ``WaitForSignal`` that cannot work, when its flow is registered."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from floworch import FlowManifest, ForEach, ManualTrigger, Scope, Step
from floworch.core.dag.validate import validate_manifest
from floworch.core.dag.waits.payload_schema import PayloadSchema, schema_fault
from floworch.core.model.manifest import Compensation
from floworch.core.model.payload import Payload
from floworch.errors import ConfigurationError


def problems(*, settings: dict[str, Any] | None = None, **inputs: Any) -> dict[str, str]:
    """Location → message."""
    step = Step(type="WaitForSignal", inputs=inputs, **(settings or {}))
    return _problems(a=step)


def _problems(**steps: Any) -> dict[str, str]:
    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps)
    return {problem.location: problem.message for problem in validate_manifest(manifest, "Flow", {"Work"})}


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"signalName": "approved", "timeoutSeconds": 5, "quorum": 2, "schema": {"type": "object"}},
        {"signal_name": "approved", "timeout_seconds": 0},
        {"signalNames": ["a", "b"], "mode": "all"},
        {"signalNames": "@triggerBody().names", "mode": "any", "timeoutSeconds": "@triggerBody().seconds"},
        {"signalName": "order-@{triggerBody().id}", "schema": True},
    ],
)
def test_these_are_fine(inputs: dict[str, Any]) -> None:
    assert problems(**inputs) == {}


@pytest.mark.parametrize(
    ("inputs", "place", "words"),
    [
        ({"signalNam": "x"}, "signalNam", "Did you mean 'signalName'?"),
        ({"signalName": " "}, "signalName", "blank"),
        ({"signalName": 3}, "signalName", "text"),
        ({"signalName": "x" * 201}, "signalName", "at most 200 characters"),
        ({"signalName": "a", "signalNames": ["b"]}, "signalNames", "not both"),
        ({"signalNames": []}, "signalNames", "at least one name"),
        ({"signalNames": ["a", ""]}, "signalNames[1]", "blank"),
        ({"signalNames": ["a"], "mode": "some"}, "mode", "'any' or 'all'"),
        ({"mode": "all"}, "mode", "write them as signalNames"),
        ({"quorum": 0}, "quorum", "at least 1"),
        ({"quorum": -2}, "quorum", "at least 1"),
        ({"quorum": "2"}, "quorum", "whole number"),
        ({"timeoutSeconds": "soon"}, "timeoutSeconds", "a number"),
        ({"timeoutSeconds": True}, "timeoutSeconds", "a number"),
        ({"timeoutSeconds": 1e12}, "timeoutSeconds", "100 years"),
        ({"timeoutSeconds": -1}, "timeoutSeconds", "0 or null waits for ever"),
        ({"schema": "object"}, "schema", "not a JSON Schema"),
        ({"schema": {"type": "objekt"}}, "schema", "'objekt'"),
        ({"schema": {"$ref": "#/$defs/none"}}, "schema", "leads to nothing"),
        ({"schema": {"$ref": "https://example.com/order.json"}}, "schema", "leads to nothing"),
        ({"schema": {"const": "@triggerBody()"}}, "schema", "cannot hold expressions"),
        ({"signalName": "@env('NAME')"}, "signalName", "env()"),
    ],
)
def test_a_mistake_is_told_with_its_place(inputs: dict[str, Any], place: str, words: str) -> None:
    found = problems(**inputs)
    assert list(found) == [f"steps.a.inputs.{place}"]
    assert words in found[f"steps.a.inputs.{place}"]


def test_every_mistake_of_every_wait_is_told_at_once() -> None:
    bad = Step(type="waitforsignal", inputs={"quorum": 0, "mode": "both", "nmae": 1})
    inside = ForEach(for_each=[1], steps={"b": bad})
    undone = Step(type="Work", compensate=Compensation(type="WaitForSignal", inputs={"quorum": 0}))
    found = _problems(a=bad, loop=inside, scope=Scope(steps={"c": undone}))
    assert sum(location.endswith("quorum") for location in found) == 3
    assert sum(location.endswith("mode") for location in found) == 2
    assert sum(location.endswith("nmae") for location in found) == 2


def test_settings_of_handlers_are_refused() -> None:
    found = problems(settings={"timeout": 5, "lease_seconds": 5})
    assert set(found) == {"steps.a.timeoutSeconds", "steps.a.leaseSeconds"}


def test_a_payload_is_judged_with_the_numbers_as_they_are() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 0.5}}}
    assert schema_fault(schema) is None
    judge = PayloadSchema(schema)
    assert judge.complaint(Payload('{"n":1.5000000000000000000000001}')) is None
    assert judge.complaint(Payload('{"n":"one"}')) == "$.n: 'one' is not of type 'number'"


def test_many_complaints_are_cut_short() -> None:
    judge = PayloadSchema({"required": ["a", "b", "c", "d", "e"]})
    complaint = judge.complaint(Payload("{}"))
    assert complaint is not None
    assert complaint.endswith("; and 2 more")


def test_a_schema_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'floworch\[schema\]'"):
        problems(schema={})
