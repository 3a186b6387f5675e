from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from floworch.core.model.manifest import (
    CronTrigger,
    FlowManifest,
    ForEach,
    ManualTrigger,
    RunAfter,
    Step,
    WebhookTrigger,
)
from floworch.core.model.status import FINAL_STEP_STATUSES, StepStatus
from floworch.core.policy.retry import RetryPolicy
from floworch.errors import FlowValidationError


class Rendered:
    """Stands for a typed reference."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __floworch_expression__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        raise TypeError("a reference has no value yet")


FULL = FlowManifest(
    triggers={
        "manual": ManualTrigger(),
        "nightly": CronTrigger(cron_expression="0 2 * * *", time_zone="Europe/Berlin"),
        "orders": WebhookTrigger(slug="orders", inputs={"webhookSecret": "s3cret"}),
    },
    steps={
        "load": Step(
            type="Load",
            inputs={"url": "@triggerBody()?.url", "limits": [1, 2.5, None, {"deep": True}]},
            retry=RetryPolicy(max_attempts=3, backoff="fixed", retry_on=(ConnectionError,)),
            timeout=timedelta(minutes=1),
            lease_seconds=90,
            description="Reads the orders.",
        ),
        "each": ForEach(
            for_each="@steps('load').output",
            concurrency_limit=4,
            run_after=["load"],
            steps={"charge": Step(type="Charge", inputs={"order": "@item()"})},
        ),
        "report": Step(
            type="Report",
            run_after={"each": RunAfter(statuses=[StepStatus.FAILED], when="@steps('each').error != null"), "load": []},
            when="@run().id != null",
        ),
    },
    timeout_seconds=3600,
)

FULL_JSON: dict[str, Any] = {
    "triggers": {
        "manual": {"type": "Manual", "inputs": {}},
        "nightly": {"type": "Cron", "inputs": {"cronExpression": "0 2 * * *", "timeZone": "Europe/Berlin"}},
        "orders": {"type": "Webhook", "inputs": {"webhookSlug": "orders", "webhookSecret": "s3cret"}},
    },
    "steps": {
        "load": {
            "type": "Load",
            "description": "Reads the orders.",
            "runAfter": {},
            "inputs": {"url": "@triggerBody()?.url", "limits": [1, 2.5, None, {"deep": True}]},
            "retry": {
                "maxAttempts": 3,
                "backoff": "fixed",
                "initialSeconds": 1,
                "maxSeconds": 3600,
                "jitter": True,
                "retryOn": ["ConnectionError"],
            },
            "timeoutSeconds": 60,
            "leaseSeconds": 90,
        },
        "each": {
            "type": "ForEach",
            "runAfter": {"load": {"statuses": ["Succeeded"]}},
            "forEach": "@steps('load').output",
            "concurrencyLimit": 4,
            "steps": {"charge": {"type": "Charge", "runAfter": {}, "inputs": {"order": "@item()"}}},
        },
        "report": {
            "type": "Report",
            "runAfter": {"each": {"statuses": ["Failed"], "when": "@steps('each').error != null"}, "load": {}},
            "when": "@run().id != null",
            "inputs": {},
        },
    },
    "timeoutSeconds": 3600,
}


def step_of(data: dict[str, Any]) -> Step:
    step = FlowManifest.from_json({"steps": {"a": data}}).steps["a"]
    assert isinstance(step, Step)
    return step


def problems_of(data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(FlowValidationError) as caught:
        FlowManifest.from_json(data)
    return {problem.location: problem.message for problem in caught.value.problems}


def test_a_manifest_is_written_in_its_canonical_form() -> None:
    assert FULL.to_dict() == FULL_JSON
    assert json.loads(FULL.to_json()) == FULL_JSON


def test_json_round_trips_exactly() -> None:
    again = FlowManifest.from_json(FULL.to_json())
    assert again == FULL
    assert again.to_json() == FULL.to_json()
    assert again.content_hash == FULL.content_hash


def test_the_hash_is_that_of_the_canonical_text_and_changes_with_the_content() -> None:
    assert len(FULL.content_hash) == 64
    other = FlowManifest(steps={**FULL.steps, "more": Step(type="More")}, triggers=FULL.triggers)
    assert other.content_hash != FULL.content_hash


def test_optional_fields_that_are_not_set_are_not_written() -> None:
    assert FlowManifest(steps={"a": Step(type="X")}).to_dict() == {
        "triggers": {},
        "steps": {"a": {"type": "X", "runAfter": {}, "inputs": {}}},
    }


@pytest.mark.parametrize(
    ("snake", "camel"),
    [
        ({"type": "X", "run_after": ["b"]}, {"type": "X", "runAfter": ["b"]}),
        ({"type": "X", "lease_seconds": 5}, {"type": "X", "leaseSeconds": 5}),
        ({"type": "X", "timeout": 5}, {"type": "X", "timeoutSeconds": 5}),
        (
            {"type": "X", "retry": {"max_attempts": 2, "initial": 1, "max": 9}},
            {"type": "X", "retry": {"maxAttempts": 2, "initialSeconds": 1, "maxSeconds": 9}},
        ),
    ],
)
def test_snake_case_and_camel_case_read_the_same(snake: dict[str, Any], camel: dict[str, Any]) -> None:
    assert step_of(snake) == step_of(camel)


def test_a_field_given_in_both_spellings_is_refused() -> None:
    problems = problems_of({"steps": {"a": {"type": "X", "run_after": ["b"], "runAfter": ["c"]}}})
    assert "given twice" in problems["steps.a.run_after"]


SUCCEEDED = RunAfter(statuses=[StepStatus.SUCCEEDED])
ANY = RunAfter()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, {}),
        ({}, {}),
        ([], {}),
        (["x", "y"], {"x": SUCCEEDED, "y": SUCCEEDED}),
        ({"x": ["Succeeded"]}, {"x": SUCCEEDED}),
        ({"x": ["succeeded", "SUCCEEDED"]}, {"x": SUCCEEDED}),
        ({"x": [2]}, {"x": SUCCEEDED}),
        ({"x": "Succeeded"}, {"x": SUCCEEDED}),
        ({"x": []}, {"x": ANY}),
        ({"x": {}}, {"x": ANY}),
        ({"x": {"statuses": None}}, {"x": ANY}),
        ({"x": {"Statuses": ["Failed"], "When": "true"}}, {"x": RunAfter(statuses=["Failed"], when="true")}),
        ({"x": ["Skipped", 3]}, {"x": RunAfter(statuses=[StepStatus.FAILED, StepStatus.SKIPPED])}),
        ({"x": None, "y": ["Succeeded"]}, {"y": SUCCEEDED}),
        ({"x": SUCCEEDED}, {"x": SUCCEEDED}),
    ],
)
def test_every_form_of_run_after_is_read(written: Any, read: dict[str, RunAfter]) -> None:
    assert step_of({"type": "X", "runAfter": written}).run_after == read


@pytest.mark.parametrize(
    ("written", "location", "words"),
    [
        ({"x": ["Suceeded"]}, "steps.a.runAfter.x.statuses[0]", "Did you mean 'Succeeded'?"),
        ({"x": ["Failed", "Running"]}, "steps.a.runAfter.x.statuses[1]", "only final ones count"),
        ({"x": [0]}, "steps.a.runAfter.x.statuses[0]", "'Pending'"),
        ({"x": [7]}, "steps.a.runAfter.x.statuses[0]", "Unknown status 7"),
        ({"x": [True]}, "steps.a.runAfter.x.statuses[0]", "Unknown status True"),
        ({"x": 5}, "steps.a.runAfter.x.statuses", "Expected a list of statuses"),
        ({"x": {"statuses": ["Failed"], "whn": "true"}}, "steps.a.runAfter.x.whn", "Did you mean 'when'?"),
        ("x", "steps.a.runAfter", "Expected a list of step keys"),
        ([1], "steps.a.runAfter", "Expected a list of step keys"),
        ({"": ["Failed"]}, "steps.a", "may only hold a 'when'"),
    ],
)
def test_a_bad_run_after_is_refused_at_its_place(written: Any, location: str, words: str) -> None:
    assert words in problems_of({"steps": {"a": {"type": "X", "runAfter": written}}})[location]


def test_an_empty_list_of_statuses_accepts_final_statuses_only() -> None:
    assert ANY.accepted == FINAL_STEP_STATUSES


@pytest.mark.parametrize(
    ("written", "when"),
    [
        ({"runAfter": {"": {"when": "1 == 1"}}}, "1 == 1"),
        ({"run_after": {"": {"When": "1 == 1"}}}, "1 == 1"),
        ({"runAfter": {"": {"when": "1 == 1"}}, "when": "2 == 2"}, "(2 == 2) && (1 == 1)"),
        ({"runAfter": {"": {"when": Rendered("@x")}}, "when": Rendered("@y")}, "(@y) && (@x)"),
        ({"runAfter": {"": {}}}, None),
        ({"runAfter": {"": None}}, None),
        ({"runAfter": {"": RunAfter(when="1 == 1")}}, "1 == 1"),
    ],
)
def test_the_guard_under_the_empty_key_becomes_the_condition_of_the_step(written: dict[str, Any], when: str) -> None:
    step = step_of({"type": "X", **written})
    assert (step.when, step.run_after) == (when, {})


@pytest.mark.parametrize(("written", "when"), [("  ", None), (True, "true"), (False, "false"), (Rendered("@x"), "@x")])
def test_a_condition_may_be_blank_a_boolean_or_a_typed_reference(written: Any, when: str | None) -> None:
    assert step_of({"type": "X", "when": written}).when == when
    assert RunAfter(when=written).when == when


def test_typed_references_become_their_text_anywhere_in_the_inputs() -> None:
    step = Step(type="X", inputs={"a": Rendered("@item()"), "b": [{"c": (Rendered("@index()"),)}]})
    assert step.inputs == {"a": "@item()", "b": [{"c": ["@index()"]}]}
    loop = ForEach(for_each=Rendered("@triggerBody()"), steps={"s": step})
    assert loop.for_each == "@triggerBody()"


@pytest.mark.parametrize("bad", [float("nan"), b"bytes", object(), {1: "number as key"}, "\ud800"])
def test_inputs_that_json_cannot_hold_are_refused_at_their_place(bad: Any) -> None:
    assert "steps.a.inputs.x" in problems_of({"steps": {"a": {"type": "X", "inputs": {"x": bad}}}})


def test_inputs_that_contain_themselves_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValidationError, match="contains itself"):
        Step(type="X", inputs={"x": endless})


def test_numbers_keep_their_digits() -> None:
    numbers = '{"n":0.1234567890123456789012,"i":123456789012345678901234}'
    text = f'{{"steps":{{"a":{{"type":"X","runAfter":{{}},"inputs":{numbers}}}}}}}'
    inputs = FlowManifest.from_json(FlowManifest.from_json(text).to_json()).to_dict()["steps"]["a"]["inputs"]
    assert inputs == {"n": Decimal("0.1234567890123456789012"), "i": 123456789012345678901234}


@pytest.mark.parametrize("word", ["ForEach", "foreach", "FOREACH"])
def test_the_type_for_each_makes_a_loop_whatever_its_case(word: str) -> None:
    loop = FlowManifest.from_json({"steps": {"l": {"type": word, "forEach": None, "inputs": {}}}}).steps["l"]
    assert loop == ForEach(for_each=None, steps={})
    assert loop.model_dump()["type"] == "ForEach"


def test_loops_nest_and_round_trip() -> None:
    inner = ForEach(for_each="@item()", steps={"s": Step(type="X")})
    manifest = FlowManifest(steps={"outer": ForEach(for_each=[[1], [2]], steps={"inner": inner})})
    assert FlowManifest.from_json(manifest.to_json()) == manifest


def test_every_mistake_of_a_manifest_is_reported_at_once() -> None:
    problems = problems_of(
        {
            "trigers": {},
            "triggers": {"t": {"type": "Corn"}},
            "steps": {
                "a": {"typ": "X"},
                "b": 5,
                "c": {"type": "X", "timeoutSeconds": "soon", "retry": {"maxAttempts": 0, "backoff": "slow"}},
                "d": {"type": "ForEach", "forEach": [], "steps": {"e": {"type": "X", "inputz": {}}}},
            },
        }
    )
    assert {
        "trigers": "Unknown field 'trigers'. Did you mean 'triggers'?",
        "triggers.t": "Unknown trigger type 'Corn'. Did you mean 'Cron'?",
        "steps.a.type": "The field is missing.",
        "steps.a.typ": "Unknown field 'typ'. Did you mean 'type'?",
        "steps.b": "Expected a step such as {'type': 'LogMessage'}, got 5.",
        "steps.d.steps.e.inputz": "Unknown field 'inputz'. Did you mean 'inputs'?",
    }.items() <= problems.items()
    assert {"steps.c.timeoutSeconds", "steps.c.retry.maxAttempts", "steps.c.retry.backoff"} <= problems.keys()
    assert len(problems) == 9


def test_a_misspelt_argument_in_python_is_named_with_the_nearest_field() -> None:
    with pytest.raises(ValidationError, match=r"Unknown field 'run_aftr'. Did you mean 'runAfter'\?"):
        Step(type="X", run_aftr=["b"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_manifests_do_not_change() -> None:
    step: Any = FULL.steps["load"]
    with pytest.raises(ValidationError, match="frozen"):
        step.description = "Other"


def test_retry_settings_give_the_policy_back() -> None:
    policy = RetryPolicy(max_attempts=5, backoff="fixed", initial=2, max=4, jitter=0.25, give_up_on=("ValueError",))
    settings = Step(type="X", retry=policy).retry
    assert settings is not None
    assert RetryPolicy(**settings.policy_fields()) == policy


keys = st.text("abcdef_", min_size=1, max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("aé@\"'{} "),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
edges = st.dictionaries(keys, st.lists(st.sampled_from(sorted(FINAL_STEP_STATUSES)), max_size=3), max_size=2)
seconds = st.none() | st.floats(0.001, 1e6)
plain_steps = st.builds(
    lambda run_after, inputs, timeout, when: Step(
        type="X", run_after=run_after, inputs=inputs, timeout=timeout, when=when
    ),
    edges,
    st.dictionaries(keys, values, max_size=3),
    seconds,
    st.none() | st.just("1 == 1"),
)
steps = st.recursive(
    plain_steps,
    lambda inner: st.builds(
        lambda source, limit, body: ForEach(for_each=source, concurrency_limit=limit, steps=body),
        values,
        st.integers(1, 9),
        st.dictionaries(keys, inner, max_size=3),
    ),
    max_leaves=5,
)


@given(st.dictionaries(keys, steps, max_size=4), seconds)
def test_any_manifest_round_trips_exactly(body: dict[str, Step | ForEach], timeout: float | None) -> None:
    manifest = FlowManifest(steps=body, timeout_seconds=timeout)
    again = FlowManifest.from_json(manifest.to_json())
    assert again == manifest
    assert again.to_json() == manifest.to_json()
    assert list(again.steps) == list(manifest.steps)
