"""What is refused about steps that start child flows, and where."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from floworch import FlowDefinition, FlowManifest, Step
from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.validate import validate_flows
from floworch.core.model.child_types import shown_type
from floworch.core.model.manifest import Compensation, ForEach, Scope

CHILD = FlowDefinition(id=UUID(int=2), name="Invoice", manifest=FlowManifest(steps={"x": Step(type="Work")}))


def problems(inputs: dict[str, Any]) -> list[tuple[str, str]]:
    step = Step(type="RunFlow", inputs=inputs)
    parent = FlowDefinition(id=UUID(int=1), name="Order", manifest=FlowManifest(steps={"call": step}))
    return [(each.location, each.message) for each in validate_flows([parent, CHILD], ["Work", "RunFlow"])]


@pytest.mark.parametrize(
    "inputs",
    [
        {"flow": "Invoice"},
        {"flow": "00000000-0000-0000-0000-000000000002"},
        {"flow": "00000000000000000000000000000002", "body": {"n": "@triggerBody().n"}},
        {"flow": "Invoice", "wait": "@triggerBody().wait", "timeout_seconds": "@triggerBody().limit"},
        {"flow": "Invoice", "on_child_failure": "continue", "headers": {"a": "@run().id"}, "idempotencyKey": "k"},
        {"flow": "Order"},
    ],
)
def test_what_is_well_is_accepted(inputs: dict[str, Any]) -> None:
    assert problems(inputs) == []


@pytest.mark.parametrize(
    ("inputs", "place", "words"),
    [
        ({}, "flow", "it is missing"),
        ({"flow": 7}, "flow", "got 7"),
        ({"flow": "@triggerBody().flow"}, "flow", "must be known beforehand"),
        ({"flow": "x" * 191}, "flow", "write the flow's id"),
        ({"flow": "Invoce"}, "flow", "No flow 'Invoce' is registered beside this one. Did you mean 'Invoice'?"),
        ({"flow": "Invoice", "wait": "yes"}, "wait", "true or false, not 'yes'"),
        ({"flow": "Invoice", "onChildFailure": "contine"}, "onChildFailure", "Did you mean 'continue'?"),
        ({"flow": "Invoice", "timeoutSeconds": -1}, "timeoutSeconds", "above 0"),
        ({"flow": "Invoice", "idempotencyKey": " "}, "idempotencyKey", "text of 1 to 256"),
        ({"flow": "Invoice", "headers": {"a": 1}}, "headers", "values are text"),
        ({"flow": "Invoice", "bdy": 1}, "bdy", "Did you mean 'body'?"),
    ],
)
def test_what_is_wrong_is_refused_with_the_place(inputs: dict[str, Any], place: str, words: str) -> None:
    found = problems(inputs)
    assert (f"steps.call.inputs.{place}", True) in [(location, words in message) for location, message in found]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems({"flow": "Nowhere", "wait": 1, "timeoutSeconds": 0, "no": 1})) == 4


def test_children_are_found_in_loops_and_compensations() -> None:
    undoing = Step(type="Work", compensate=Compensation(type="runflow", inputs={"flow": "Refund"}))
    loop = ForEach(for_each=[1], steps={"s": Scope(steps={"pay": undoing})})
    parent = FlowDefinition(id=UUID(int=1), name="Order", manifest=FlowManifest(steps={"loop": loop}))

    [problem] = validate_flows([parent, CHILD], ["Work", "RunFlow"])

    assert problem.location == "steps.loop.steps.s.steps.pay.compensate.inputs.flow"


def test_the_rows_of_a_step_say_which_flow_it_starts() -> None:
    steps = {
        "by_name": Step(type="runFlow", inputs={"flow": "Invoice"}),
        "by_id": Step(type="RunFlow", inputs={"flow": "00000000000000000000000000000002"}),
        "plain": Step(type="RunFlows:x"),
    }
    plan = compile_manifest(UUID(int=1), "Order", "1", FlowManifest(steps=steps)).root.steps

    assert plan["by_name"].type == "RunFlow:Invoice"
    assert plan["by_id"].type == "RunFlow:00000000-0000-0000-0000-000000000002"
    assert [shown_type(step.type) for step in plan.values()] == ["RunFlow", "RunFlow", "RunFlows:x"]
