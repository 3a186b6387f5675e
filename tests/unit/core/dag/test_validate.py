from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.validate import validate_flows, validate_manifest
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.manifest import (
    AnyStep,
    AtTrigger,
    Compensation,
    CronTrigger,
    FlowManifest,
    ForEach,
    IntervalTrigger,
    RunAfter,
    Scope,
    Step,
    Until,
    WebhookTrigger,
)
from floworch.errors import FlowProblem, FlowValidationError

TYPES = ["LogMessage", "Charge", "Delay"]


def step(*after: str, **inputs: Any) -> Step:
    return Step(type="LogMessage", run_after=list(after), inputs=inputs)


def loop(body: dict[str, AnyStep], *after: str, source: object = (1, 2)) -> ForEach:
    return ForEach(for_each=source, steps=body, run_after=list(after))


def flow(number: int, name: str, **triggers: Any) -> FlowDefinition:
    manifest = FlowManifest(steps={"a": step()}, triggers=triggers)
    return FlowDefinition(id=UUID(int=number), name=name, manifest=manifest)


def made(class_name: str, **attributes: Any) -> type[FlowDefinition]:
    """A flow class whose attributes no type checker would let pass."""
    return type(class_name, (FlowDefinition,), attributes)


def problems(steps: dict[str, AnyStep], **fields: Any) -> list[FlowProblem]:
    return validate_manifest(FlowManifest(steps=steps, **fields), "flow", TYPES)


def the_problem(steps: dict[str, AnyStep], **fields: Any) -> FlowProblem:
    (found,) = problems(steps, **fields)
    return found


def test_a_sound_manifest_has_no_problems() -> None:
    body: dict[str, AnyStep] = {
        "first": step(x="@item()", y="@index()", z="@steps('load').output"),
        "second": step("first", x="@steps('first').output", y="@item('each')"),
        "deeper": loop({"x": step(a="@item('each')", b="@item('deeper')", c="@steps('second').output")}, "second"),
    }
    found = problems(
        {
            "load": step(url="@triggerBody()?.url", mail="me@example.org", text="@@here"),
            "each": loop(body, "load", source="@steps('load').output"),
            "report": Step(
                type="logmessage",
                run_after={"each": RunAfter(statuses=["Failed"], when="@steps('each').status == 'Failed'"), "load": []},
                when="@steps('load').output != null",
            ),
        },
        triggers={"nightly": CronTrigger(cron_expression="0 2 29 2 *", time_zone="Europe/Berlin")},
        timeout_seconds=60,
    )
    assert found == []


@pytest.mark.parametrize(
    ("steps", "location", "code", "words"),
    [
        ({}, "steps", "no_steps", "no steps"),
        ({"l": loop({})}, "steps.l", "empty_block", "'l' has no steps"),
        ({"a": step(), "b": step("c")}, "steps.b.runAfter.c", "unknown_step", "no such step"),
        ({"fetch": step(), "b": step("fetsh")}, "steps.b.runAfter.fetsh", "unknown_step", "Did you mean 'fetch'?"),
        (
            {"a": step(), "l": loop({"x": step()}), "b": step("x")},
            "steps.b.runAfter.x",
            "other_scope",
            "inside the loop 'l'",
        ),
        (
            {"a": step(), "l": loop({"x": step(), "y": step("a")})},
            "steps.l.steps.y.runAfter.a",
            "other_scope",
            "outside",
        ),
        (
            {"l": loop({"x": step()}), "m": loop({"y": step(), "z": step("x")})},
            "steps.m.steps.z.runAfter.x",
            "other_scope",
            "inside the loop 'l'",
        ),
        ({"a": step(), "b": step("b")}, "steps.b", "cycle", "b -> b"),
        ({"z": step(), "a": step("c"), "b": step("a"), "c": step("b")}, "steps.a", "cycle", "a -> b -> c -> a"),
        ({"l": loop({"x": step(), "y": step("y")})}, "steps.l.steps.y", "cycle", "y -> y"),
        ({"a.b": step()}, "steps.a.b", "bad_step_key", "dots are reserved"),
        ({"": step()}, "steps.", "bad_step_key", "empty"),
        ({"12": step()}, "steps.12", "bad_step_key", "index of an iteration"),
        ({"a b": step()}, "steps.a b", "bad_step_key", "white space"),
        ({"a\u0007": step()}, "steps.a\u0007", "bad_step_key", "cannot be printed"),
        ({"it's": step()}, "steps.it's", "bad_step_key", "quote"),
        ({"__x": step()}, "steps.__x", "bad_step_key", "reserved"),
        ({"x" * 201: step()}, "steps." + "x" * 201, "bad_step_key", "201 characters; at most 200"),
        ({"a": Step(type="LogMesage")}, "steps.a.type", "unknown_step_type", "Did you mean 'LogMessage'?"),
        ({"a": Step(type="Qqqqq")}, "steps.a.type", "unknown_step_type", "Registered: Charge, Delay, LogMessage."),
        ({"a": Step(type="For_Each")}, "steps.a.type", "unknown_step_type", "Did you mean 'ForEach'?"),
        ({"a": Step(type=" ")}, "steps.a.type", "blank_step_type", "blank"),
        ({"a": Step(type="foreach")}, "steps.a.type", "block_as_step", "write ForEach("),
        (
            {"l": ForEach(for_each=[], concurrency_limit=0, steps={"x": step()})},
            "steps.l.concurrencyLimit",
            "not_positive",
            "at least 1, got 0",
        ),
        ({"a": Step(type="Delay", timeout=0)}, "steps.a.timeoutSeconds", "not_positive", "got 0"),
        ({"a": Step(type="Delay", lease_seconds=-1.5)}, "steps.a.leaseSeconds", "not_positive", "got -1.5"),
        ({"a": Step(type="Delay", timeout=1e12)}, "steps.a.timeoutSeconds", "too_long", "100 years"),
        (
            {"a": Step(type="Delay", retry={"maxAttempts": 2, "initialSeconds": 9, "maxSeconds": 3})},
            "steps.a.retry",
            "bad_retry",
            "9",
        ),
        ({"l": loop({"x": step()}, source="items")}, "steps.l.forEach", "not_a_list", "got the text 'items'"),
        ({"l": loop({"x": step()}, source="@{item()}s")}, "steps.l.forEach", "not_a_list", "expression"),
        ({"l": loop({"x": step()}, source="@@x")}, "steps.l.forEach", "not_a_list", "expression"),
        ({"l": loop({"x": step()}, source=5)}, "steps.l.forEach", "not_a_list", "got 5"),
        ({"l": loop({"x": step()}, source={"a": 1})}, "steps.l.forEach", "not_a_list", "got {'a': 1}"),
    ],
)
def test_each_mistake_is_reported_once_at_its_place(
    steps: dict[str, AnyStep], location: str, code: str, words: str
) -> None:
    found = [
        problem for problem in problems(steps) if problem.code != "bad_expression" and problem.code != "outside_loop"
    ]
    assert [(problem.location, problem.code) for problem in found] == [(location, code)]
    assert words in found[0].message


def test_a_flow_whose_steps_all_wait_has_no_entry_and_shows_its_cycle() -> None:
    assert {problem.code: problem.message for problem in problems({"a": step("b"), "b": step("a")})} == {
        "no_entry_step": "The flow has no entry step: every step runs after another one, so none can start.",
        "cycle": "The steps wait for each other in a cycle: a -> b -> a.",
    }


def test_the_body_of_a_loop_needs_an_entry_of_its_own() -> None:
    found = problems({"a": step(), "l": loop({"x": step("x")})})
    assert {(problem.location, problem.code) for problem in found} == {
        ("steps.l.steps", "no_entry_step"),
        ("steps.l.steps.x", "cycle"),
    }


def test_loops_may_nest_eight_deep_and_no_deeper() -> None:
    nested: dict[str, AnyStep] = {"x": step()}
    for depth in range(8, 0, -1):
        nested = {f"l{depth}": loop(nested)}
    assert problems(nested) == []
    assert the_problem({"l0": loop(nested)}).code == "nested_too_deep"


@pytest.mark.parametrize(
    ("steps", "location", "code", "words"),
    [
        ({"a": step(x="@triggerBdy()")}, "steps.a.inputs.x", "bad_expression", "did you mean 'triggerBody()'?"),
        ({"a": step(x=[{"y": "@{1 +"}])}, "steps.a.inputs.x[0].y", "bad_expression", "^"),
        ({"a": Step(type="Delay", when="1 ==")}, "steps.a.when", "bad_expression", "^"),
        (
            {"a": step(), "b": Step(type="Delay", run_after={"a": RunAfter(when="1 ==")})},
            "steps.b.runAfter.a.when",
            "bad_expression",
            "^",
        ),
        ({"l": loop({"x": step()}, source="@steps(")}, "steps.l.forEach", "bad_expression", "^"),
        ({"a": step(x="@steps('a').output")}, "steps.a.inputs.x", "not_finished_before", "its own result"),
        (
            {"a": step(), "b": step(x="@steps('a').output")},
            "steps.b.inputs.x",
            "not_finished_before",
            "add 'a' to the runAfter of 'b'",
        ),
        (
            {"a": step(x="@steps('b').output"), "b": step("a")},
            "steps.a.inputs.x",
            "not_finished_before",
            "'b' runs after 'a'",
        ),
        (
            {"load": step(), "b": step("load", x="@{steps('laod').error}")},
            "steps.b.inputs.x",
            "unknown_reference",
            "'load'",
        ),
        (
            {"a": step(), "b": Step(type="Delay", when="@steps('a').status == 'Failed'")},
            "steps.b.when",
            "not_finished_before",
            "add 'a'",
        ),
        (
            {"a": step(), "l": loop({"x": step()}, source="@steps('a').output")},
            "steps.l.forEach",
            "not_finished_before",
            "add 'a' to the runAfter of 'l'",
        ),
        (
            {"a": step(), "l": loop({"x": step(v="@steps('a').output")})},
            "steps.l.steps.x.inputs.v",
            "not_finished_before",
            "add 'a' to the runAfter of 'l'",
        ),
        (
            {"l": loop({"x": step(v="@steps('l').output")})},
            "steps.l.steps.x.inputs.v",
            "not_finished_before",
            "inside the loop 'l'",
        ),
        (
            {"l": loop({"x": step()}), "a": step("l", v="@steps('x').output")},
            "steps.a.inputs.v",
            "other_scope",
            "read the block's output instead",
        ),
        ({"a": step(x="@item()")}, "steps.a.inputs.x", "outside_loop", "item() has no value"),
        ({"l": loop({"x": step()}, source="@item()")}, "steps.l.forEach", "outside_loop", "not inside a loop"),
        ({"l": loop({"x": step(v="@index('k')")})}, "steps.l.steps.x.inputs.v", "unknown_loop", "inside 'l'"),
        (
            {"months": loop({"x": step(v="@item('month')")})},
            "steps.months.steps.x.inputs.v",
            "unknown_loop",
            "Did you mean 'months'?",
        ),
    ],
)
def test_expressions_may_only_read_what_is_there(
    steps: dict[str, AnyStep], location: str, code: str, words: str
) -> None:
    problem = the_problem(steps)
    assert (problem.location, problem.code) == (location, code)
    assert words in problem.message


def test_the_innermost_scope_that_has_the_key_decides() -> None:
    """An outer step of the same key has finished, but the engine would look at the inner one."""
    body = {"load": step(), "x": step(v="@steps('load').output")}
    problem = the_problem({"load": step(), "l": loop(dict(body), "load")})
    assert (problem.location, problem.code) == ("steps.l.steps.x.inputs.v", "not_finished_before")


def test_a_mistake_in_an_expression_is_pointed_at() -> None:
    problem = the_problem({"a": step(x="Hello @{steps('b').output}!")})
    assert problem.message.splitlines() == [
        "There is no step 'b'.",
        "  Hello @{steps('b').output}!",
        "          ^",
    ]


@pytest.mark.parametrize(
    ("trigger", "location", "code", "words"),
    [
        (CronTrigger(cron_expression="0 0 30 2 *"), "cronExpression", "bad_cron", "no such date"),
        (CronTrigger(cron_expression="* * *"), "cronExpression", "bad_cron", "3 fields"),
        (
            CronTrigger(cron_expression="* * * * *", time_zone="Europe/Berln"),
            "timeZone",
            "unknown_time_zone",
            "Europe/Berlin",
        ),
        (IntervalTrigger(every=0.5), "everySeconds", "bad_interval", "at least 1"),
        (IntervalTrigger(every=60, catch_up_limit=0), "catchUpLimit", "bad_limit", "got 0"),
        (IntervalTrigger(every=60, jitter_seconds=-1), "jitterSeconds", "bad_jitter", "got -1"),
        (
            IntervalTrigger(every=60, start=datetime(2030, 1, 2, tzinfo=UTC), end=datetime(2030, 1, 1, tzinfo=UTC)),
            "end",
            "ends_before_start",
            "is before start",
        ),
        (WebhookTrigger(slug="a/b"), "webhookSlug", "bad_slug", "'a/b'"),
        (WebhookTrigger(slug=""), "webhookSlug", "bad_slug", "''"),
    ],
)
def test_triggers_that_could_never_work_are_refused(trigger: Any, location: str, code: str, words: str) -> None:
    problem = the_problem({"a": step()}, triggers={"t": trigger})
    assert (problem.location, problem.code) == (f"triggers.t.inputs.{location}", code)
    assert words in problem.message


DAY = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "trigger",
    [
        CronTrigger(cron_expression="0 0 1 1 *", start=DAY, end=datetime(2030, 6, 1, tzinfo=UTC)),
        AtTrigger(at=DAY, start=datetime(2030, 1, 3, tzinfo=UTC)),
        AtTrigger(at=DAY, end=datetime(2030, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_trigger_without_a_tick_between_its_start_and_its_end_is_refused(trigger: Any) -> None:
    problem = the_problem({"a": step()}, triggers={"t": trigger})
    assert (problem.location, problem.code) == ("triggers.t.inputs", "never_due")


@pytest.mark.parametrize(
    "trigger",
    [
        AtTrigger(at=datetime(2020, 1, 1, tzinfo=UTC)),
        CronTrigger(cron_expression="@daily", end=datetime(2020, 1, 1, tzinfo=UTC)),
        CronTrigger(cron_expression="0 0 2 1 *", start=DAY, end=DAY),
        IntervalTrigger(every=3600, start=DAY, end=DAY),
    ],
)
def test_a_trigger_whose_time_has_passed_or_that_is_due_once_is_fine(trigger: Any) -> None:
    assert validate_manifest(FlowManifest(steps={"a": step()}, triggers={"t": trigger}), "flow") == []


def test_trigger_keys_must_be_usable_as_words() -> None:
    problem = the_problem({"a": step()}, triggers={"a b": CronTrigger(cron_expression="* * * * *")})
    assert (problem.location, problem.code) == ("triggers.a b", "bad_trigger_key")


def test_the_deadline_of_a_run_must_be_positive() -> None:
    assert the_problem({"a": step()}, timeout_seconds=0).location == "timeoutSeconds"


def test_step_types_are_not_looked_at_when_none_are_given() -> None:
    manifest = FlowManifest(steps={"a": Step(type="Anything")})
    assert validate_manifest(manifest, "flow", None) == []
    assert "add handlers" in validate_manifest(manifest, "flow", [])[0].message


def test_a_manifest_with_five_mistakes_reports_five() -> None:
    class Five(FlowDefinition):
        id = UUID(int=5)
        manifest = FlowManifest(
            triggers={"t": CronTrigger(cron_expression="61 * * * *")},
            steps={
                "a": Step(type="LogMesage"),
                "b": step("aa"),
                "c": step(x="@triggerBdy()"),
                "d": Step(type="Delay", timeout=-1),
            },
        )

    problems = validate_flows([Five], TYPES)
    assert {problem.code for problem in problems} == {
        "bad_cron",
        "unknown_step_type",
        "unknown_step",
        "bad_expression",
        "not_positive",
    }
    assert len(problems) == 5
    assert str(FlowValidationError(problems)).startswith("5 problems found:\n  - Five: ")


RAW_WITH_FIVE_MISTAKES = {
    "triggers": {"t": {"type": "Cron", "inputs": {"cronExpression": "61 * * * *"}}},
    "steps": {
        "a": {"typ": "LogMessage", "type": "LogMessage"},
        "b": {"type": "LogMessage", "runAfter": {"a": ["Done"]}, "inputs": {"x": "@steps('a').output"}},
        "c": {"type": "LogMessage", "runAfter": ["bb"]},
        "d": {"type": "LogMessage", "when": "1 =="},
    },
}


def test_mistakes_of_form_and_of_the_graph_are_reported_together_for_raw_json() -> None:
    found = validate_manifest(RAW_WITH_FIVE_MISTAKES, "flow", TYPES)
    assert [(problem.location, problem.code) for problem in found] == [
        ("steps.a.typ", "unknown_field"),
        ("steps.b.runAfter.a.statuses[0]", "unknown_status"),
        ("triggers.t.inputs.cronExpression", "bad_cron"),
        ("steps.c.runAfter.bb", "unknown_step"),
        ("steps.d.when", "bad_expression"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"a": 5, "b": {"type": "LogMessage", "runAfter": ["a"]}},
        {"a": {}, "b": {"type": "LogMessage", "runAfter": ["a"]}},
        {"a": {"type": None}, "b": {"type": "LogMessage", "run_after": ["a"]}},
        {"a": {"type": "LogMessage", "timeout": "x"}},
        {"a": {"type": "LogMessage", "retry": 5}},
        {"a": {"type": "LogMessage", "retry": {"backoff": "fixed"}}},
        {"a": {"type": "LogMessage", "inputs": [1]}},
        {"a": {"type": "LogMessage", "runAfter": 7}},
        {"a": {"type": "LogMessage"}, "b": {"type": "LogMessage", "runAfter": {"a": {"statuses": 5}}}},
        {"l": {"type": "ForEach", "steps": {"x": {"type": "LogMessage"}}}},
        {"l": {"type": "ForEach", "forEach": [], "steps": {"x": 5}}},
        {"l": {"type": "ForEach", "forEach": [], "steps": {"x": {"type": "LogMessage"}}, "concurrencyLimit": "many"}},
    ],
)
def test_a_mistake_of_form_does_not_draw_others_after_it(broken: dict[str, Any]) -> None:
    assert len(validate_manifest({"steps": broken}, "flow", TYPES)) == 1


@pytest.mark.parametrize("raw", [{"steps": 5}, {"steps": [1]}, {"triggers": 5, "steps": {"a": {"type": "Delay"}}}])
def test_wholly_wrong_parts_are_one_problem(raw: dict[str, Any]) -> None:
    assert len(validate_manifest(raw, "flow", TYPES)) == 1


def test_a_raw_manifest_that_contains_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["steps"] = endless
    (problem,) = validate_manifest(endless, "flow", TYPES)
    assert "contains itself" in problem.message


def test_flows_are_told_apart_by_id_name_and_slug() -> None:
    found = validate_flows(
        [
            flow(1, "one", hook=WebhookTrigger(slug="orders")),
            flow(1, "two"),
            flow(3, "one"),
            flow(4, "four", hook=WebhookTrigger(slug="ORDERS"), other=WebhookTrigger(slug="orders")),
        ],
        TYPES,
    )
    assert [(problem.flow, problem.location, problem.code) for problem in found] == [
        ("two", "id", "duplicate_flow_id"),
        ("one", "name", "duplicate_flow_name"),
        ("four", "triggers.hook.inputs.webhookSlug", "duplicate_slug"),
        ("four", "triggers.other.inputs.webhookSlug", "duplicate_slug"),
    ]


def test_the_problems_of_all_flows_come_together() -> None:
    class NoId(FlowDefinition):
        manifest = FlowManifest(steps={"a": step()})

    class NoManifest(FlowDefinition):
        id = UUID(int=1)

    raw = made("Raw", id=UUID(int=2), manifest={"stpes": {}})
    wrong = made("Wrong", id="3", name=" ", version=1, manifest=7)

    class NeedsArguments(FlowDefinition):
        def __init__(self, tenant: str) -> None:
            self.tenant = tenant

    found = validate_flows([NoId, NoManifest, raw, wrong, NeedsArguments], TYPES)
    assert [(problem.flow, problem.code) for problem in found] == [
        ("NoId", "bad_flow_id"),
        ("NoManifest", "no_manifest"),
        ("Raw", "unknown_field"),
        ("Raw", "no_steps"),
        ("Wrong", "bad_flow_id"),
        ("Wrong", "bad_flow_name"),
        ("Wrong", "bad_flow_version"),
        ("Wrong", "no_manifest"),
        ("NeedsArguments", "not_constructible"),
    ]


def test_valid_flows_have_no_problems() -> None:
    assert validate_flows([flow(1, "one"), flow(2, "two")], TYPES) == []


JUNK = st.sampled_from(
    [
        None,
        5,
        -1,
        True,
        "x",
        "",
        "@",
        "@item()",
        [],
        {},
        [None],
        {"a": 1},
        {1: 2},
        float("nan"),
        b"x",
        {"type": "ForEach"},
    ]
)
PLACES = st.sampled_from(
    [
        "type",
        "runAfter",
        "run_after",
        "when",
        "inputs",
        "retry",
        "timeoutSeconds",
        "forEach",
        "steps",
        "concurrencyLimit",
        "x",
        "",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["b", "l", "l.x", "triggers", ""]), PLACES, JUNK), min_size=1, max_size=3))
def test_whatever_a_raw_manifest_holds_gives_problems_or_a_plan(changes: list[tuple[str, str, Any]]) -> None:
    inner: dict[str, Any] = {"type": "LogMessage", "inputs": {"v": "@item()"}}
    steps: dict[str, Any] = {
        "a": {"type": "LogMessage"},
        "b": {"type": "LogMessage", "runAfter": {"a": ["Succeeded"]}},
        "l": {"type": "ForEach", "forEach": [1], "steps": {"x": inner}},
    }
    raw: dict[str, Any] = {"triggers": {}, "steps": steps}
    targets = {"b": steps["b"], "l": steps["l"], "l.x": inner, "triggers": raw["triggers"], "": raw}
    for target, place, value in changes:
        targets[target][place] = value
    if not validate_manifest(raw, "flow", TYPES):
        manifest = FlowManifest.from_json(raw)
        assert FlowManifest.from_json(manifest.to_json()) == manifest
        compile_manifest(UUID(int=1), "flow", "1.0", manifest)


def scope(body: dict[str, Any], **branches: Any) -> Scope:
    return Scope(steps=body, **branches)


def undone(**inputs: Any) -> Step:
    return Step(type="Charge", compensate=Compensation(type="Charge", inputs=inputs))


@pytest.mark.parametrize(
    ("steps", "location", "code", "words"),
    [
        ({"s": scope({})}, "steps.s", "empty_block", "The scope 's' has no steps"),
        ({"u": Until(until="@true", steps={})}, "steps.u", "empty_block", "The loop 'u' has no steps"),
        (
            {"s": scope({"a": step()}, catch={"a": step()})},
            "steps.s.catch.a",
            "duplicate_step_key",
            "also a step of 'steps'",
        ),
        ({"a": undone()}, "steps.a.compensate", "compensation_without_scope", "Nothing would run the compensation"),
        (
            {"s": scope({"a": step()}, catch={"b": undone()})},
            "steps.s.catch.b.compensate",
            "compensation_without_scope",
            "only the 'steps' of a Scope",
        ),
        (
            {"s": scope({"l": loop({"a": undone()})})},
            "steps.s.steps.l.steps.a.compensate",
            "compensation_without_scope",
            "put a Scope of their own around their steps",
        ),
        (
            {"s": scope({"a": Step(type="Charge", inputs={"v": "@failure().message"})})},
            "steps.s.steps.a.inputs.v",
            "failure_outside_scope",
            "'a' is not in the catch, finally or compensate of a Scope",
        ),
        (
            {"s": scope({"a": step()}, catch={"b": Step(type="Charge", inputs={"v": "@failure().mesage"})})},
            "steps.s.catch.b.inputs.v",
            "bad_expression",
            "did you mean '.message'?",
        ),
        (
            {"o": step(), "s": Scope(run_after=["o"], steps={"a": undone(v="@steps('o').output")})},
            "steps.s.steps.a.compensate.inputs.v",
            "other_scope",
            "only steps of that scope can be read",
        ),
        (
            {"u": Until(until="@steps('nope').output", steps={"a": step()})},
            "steps.u.until",
            "unknown_reference",
            "There is no step 'nope'",
        ),
        (
            {"u": Until(until="@true", max_iterations=0, steps={"a": step()})},
            "steps.u.maxIterations",
            "not_positive",
            "at least 1",
        ),
        (
            {"u": Until(until="@true", delay=-1, steps={"a": step()})},
            "steps.u.delaySeconds",
            "not_positive",
            "0 or more, got -1",
        ),
        (
            {"s": scope({"a": Step(type="Charge", compensate=Compensation(type="Other"))})},
            "steps.s.steps.a.compensate.type",
            "unknown_step_type",
            "Other",
        ),
    ],
)
def test_blocks_can_be_carried_out(steps: dict[str, Any], location: str, code: str, words: str) -> None:
    problem = the_problem(steps)
    assert (problem.location, problem.code) == (location, code)
    assert words in problem.message


def test_what_a_scope_has_done_can_be_read_by_what_follows_from_it() -> None:
    read = Step(type="Charge", inputs={"v": "@steps('a').error"})
    body = {
        "a": undone(v="@steps('b').output"),
        "b": step("a"),
        "u": Until(until="@steps('c').output", steps={"c": step()}),
    }
    assert problems({"s": scope(body, catch={"c1": read}, finally_={"f1": read})}) == []
