from __future__ import annotations

from uuid import UUID

import pytest

from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.plan import FlowPlan
from floworch.core.expressions import Source
from floworch.core.model.manifest import FlowManifest, ForEach, RunAfter, Step
from floworch.core.model.status import FINAL_STEP_STATUSES, StepStatus
from floworch.core.policy.retry import RetryPolicy
from floworch.errors import ExpressionError

MANIFEST = FlowManifest(
    steps={
        "load": Step(
            type="Load",
            inputs={"url": "@triggerBody()?.url"},
            retry=RetryPolicy(max_attempts=4, initial=2),
            timeout=30,
            lease_seconds=90,
        ),
        "each": ForEach(
            for_each="@steps('load').output",
            concurrency_limit=3,
            run_after=["load"],
            steps={
                "a": Step(type="A"),
                "b": Step(type="B", run_after={"a": []}),
                "deep": ForEach(for_each=[1], run_after=["a"], steps={"x": Step(type="X")}),
            },
        ),
        "rescue": Step(
            type="Rescue",
            when="@run().id != null",
            run_after={
                "each": RunAfter(statuses=["Failed"], when="@steps('each').status == 'Failed'"),
                "load": RunAfter(when="true"),
            },
        ),
    },
    timeout_seconds=600,
)


def compiled(manifest: FlowManifest = MANIFEST) -> FlowPlan:
    return compile_manifest(UUID(int=1), "orders", "1.0", manifest)


def test_the_plan_knows_its_flow_and_the_manifest_it_was_made_from() -> None:
    plan = compiled()
    assert (plan.flow_id, plan.flow_name, plan.version, plan.timeout_seconds) == (UUID(int=1), "orders", "1.0", 600)
    assert plan.manifest_hash == MANIFEST.content_hash


def test_a_scope_knows_its_entries_its_leaves_and_the_order_of_its_steps() -> None:
    root = compiled().root
    assert list(root.steps) == ["load", "each", "rescue"]
    assert [step.key for step in root.entries] == ["load"]
    assert [step.key for step in root.leaves] == ["rescue"]


def test_edges_are_known_in_both_directions() -> None:
    steps = compiled().root.steps
    assert steps["load"].dependents == ("each", "rescue")
    assert steps["each"].run_after == {"load": frozenset({StepStatus.SUCCEEDED})}
    assert list(steps["rescue"].run_after.items()) == [
        ("each", frozenset({StepStatus.FAILED})),
        ("load", FINAL_STEP_STATUSES),
    ]


def test_conditions_come_in_the_order_of_their_declaration_that_of_the_step_first() -> None:
    conditions = compiled().root.steps["rescue"].conditions
    assert [condition.source for condition in conditions] == [
        "@run().id != null",
        "@steps('each').status == 'Failed'",
        "true",
    ]


def test_the_settings_of_a_step_are_its_own() -> None:
    steps = compiled().root.steps
    load = steps["load"]
    assert load.retry == RetryPolicy(max_attempts=4, initial=2)
    assert (load.timeout_seconds, load.lease_seconds, load.loop) == (30, 90, None)
    assert (steps["rescue"].retry, steps["rescue"].timeout_seconds, steps["rescue"].lease_seconds) == (None, None, None)
    assert {reference.source for reference in load.inputs.references} == {Source.TRIGGER_BODY}


def test_loops_hold_their_source_limit_and_body() -> None:
    each = compiled().root.steps["each"]
    assert each.loop is not None
    assert each.type == "ForEach"
    assert each.loop.concurrency_limit == 3
    assert {(reference.source, reference.name) for reference in each.loop.source.references} == {
        (Source.STEP_OUTPUT, "load")
    }
    assert [step.key for step in each.loop.body.leaves] == ["b", "deep"]
    deep = each.loop.body.steps["deep"]
    assert deep.loop is not None
    assert deep.loop.source.is_literal
    assert deep.loop.body.steps["x"].path == "each.deep.x"


def test_a_stored_manifest_gives_the_same_plan() -> None:
    stored = compiled(FlowManifest.from_json(MANIFEST.to_json()))
    assert stored.manifest_hash == compiled().manifest_hash
    assert stored.root.steps["load"].retry == compiled().root.steps["load"].retry
    assert [step.run_after for step in stored.root.steps.values()] == [
        step.run_after for step in compiled().root.steps.values()
    ]


def test_an_expression_that_was_never_validated_is_refused() -> None:
    with pytest.raises(ExpressionError):
        compiled(FlowManifest(steps={"a": Step(type="X", when="1 ==")}))
