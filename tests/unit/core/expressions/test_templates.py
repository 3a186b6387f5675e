"""Which texts are expressions, what escapes do, and how values become text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from floworch.core.expressions import compile_template, expression_problems, located_references
from floworch.core.model.payload import Json
from floworch.errors import ExpressionError
from tests.unit.core.expressions.environment import ValuesEnvironment

LITERALS: list[Json] = [
    None,
    True,
    0,
    1.5,
    "",
    " ",
    "plain",
    "@",
    " @ ",
    "me@example.org",
    "a @mention, mail a@b.c {x} @ @@",
    {"a": [1, {"b": "x@y"}]},
    {"@triggerBody()": 1},
    [],
    {},
]


@pytest.mark.parametrize("value", LITERALS)
def test_a_value_without_expressions_is_given_back_as_the_same_object(value: Json) -> None:
    template = compile_template(value)

    assert template.is_literal
    assert template.references == frozenset()
    assert template.resolve(ValuesEnvironment()) is value


ESCAPES = [
    ("@@here", "@here"),
    ("  @@here ", "  @here "),
    ("@@@@", "@@@"),
    ("a @@{x}", "a @{x}"),
    ("@@{x}", "@{x}"),
    ("a@@b", "a@@b"),
    ("@@{x} and @@{y}", "@{x} and @{y}"),
]


@pytest.mark.parametrize(("source", "text"), ESCAPES)
def test_escapes_are_undone_in_texts_that_hold_no_expression(source: str, text: str) -> None:
    template = compile_template(source)

    assert template.is_literal
    assert template.resolve(ValuesEnvironment()) == text


def test_escapes_inside_containers_are_undone_once() -> None:
    template = compile_template({"a": ["@@x", 1], "b": "y"})

    assert template.is_literal
    assert template.resolve(ValuesEnvironment()) == {"a": ["@x", 1], "b": "y"}
    assert template.source == {"a": ["@@x", 1], "b": "y"}


TEXTS: list[tuple[Json, str]] = [
    (None, ""),
    (True, "true"),
    (False, "false"),
    ("x", "x"),
    (12, "12"),
    (2**70, "1180591620717411303424"),
    (3.0, "3"),
    (-0.0, "0"),
    (0.1, "0.1"),
    (-2.50, "-2.5"),
    (1e20, "100000000000000000000"),
    (1e21, "1e+21"),
    (1.5e300, "1.5e+300"),
    (1e-7, "0.0000001"),
    (1e-8, "1e-8"),
    (Decimal("1.10"), "1.1"),
    (Decimal("0.1000000000000000000000000000000000001"), "0.1000000000000000000000000000000000001"),
    (Decimal("12E+2"), "1200"),
    ([], "[]"),
    ({}, "{}"),
    ([1, None, "ä\n", {"b": [True], "a": 1.0}], '[1,null,"ä\\n",{"b":[true],"a":1}]'),
]


@pytest.mark.parametrize(("value", "text"), TEXTS)
def test_a_value_inside_a_text_is_written_in_its_shortest_exact_form(value: Json, text: str) -> None:
    run = ValuesEnvironment(body=value)

    assert compile_template("@{triggerBody()}").resolve(run) == text
    assert compile_template("<@{@triggerBody()}>").resolve(run) == f"<{text}>"


def test_text_around_expressions_stays_as_it_is() -> None:
    run = ValuesEnvironment(body={"id": 7}, outputs={"load": {"count": 2}})
    source = " Order @{triggerBody()?.id} of @{steps('load').output.count}@{'}'} @@{id} a@b.c @ \n"

    assert compile_template(source).resolve(run) == " Order 7 of 2} @{id} a@b.c @ \n"


def test_an_escaped_at_may_stand_before_an_embedded_expression() -> None:
    assert compile_template("@@@{triggerBody()}").resolve(ValuesEnvironment(body="x")) == "@x"


def test_a_whole_expression_keeps_the_type_of_its_value() -> None:
    body = {"list": [1, {"a": None}]}

    assert compile_template("@triggerBody()").resolve(ValuesEnvironment(body=body)) is body


def test_containers_are_built_anew_around_what_changes() -> None:
    source: dict[str, Any] = {"fixed": {"a": 1}, "list": [1, "@triggerBody()"], "@key": "@@x"}
    template = compile_template(source)

    first, second = template.resolve(ValuesEnvironment(body=1)), template.resolve(ValuesEnvironment(body=2))

    assert first == {"fixed": {"a": 1}, "list": [1, 1], "@key": "@x"}
    assert second == {"fixed": {"a": 1}, "list": [1, 2], "@key": "@x"}
    assert first["fixed"] is source["fixed"]
    assert list(first) == list(source)


@pytest.mark.parametrize("payload", ["@triggerHeaders()", "@{steps('secret').output}", "@@x", "@broken(", "@@{x}"])
def test_what_a_payload_says_is_never_an_expression(payload: str) -> None:
    run = ValuesEnvironment(body=payload, outputs={"secret": "s3cret"})

    assert compile_template(["@triggerBody()", "a @{triggerBody()}", "@concat(triggerBody())"]).resolve(run) == [
        payload,
        f"a {payload}",
        payload,
    ]


def test_all_problems_of_a_value_are_found_with_their_paths() -> None:
    value = {
        "ok": "@triggerBody()",
        "url": "@triggerBdy()",
        "list": ["x", {"deep": "a @{foo()} b @{item()} c @{1 +}"}],
        "text": "@{a} @{bar()} @{never closed",
    }

    problems = [(path, error.position) for path, error in expression_problems(value, "steps.s.inputs")]

    assert problems == [
        ("steps.s.inputs.url", 1),
        ("steps.s.inputs.list[1].deep", 4),
        ("steps.s.inputs.list[1].deep", 29),
        ("steps.s.inputs.text", 2),
        ("steps.s.inputs.text", 7),
        ("steps.s.inputs.text", 14),
    ]


def test_a_sound_value_has_no_problems() -> None:
    assert expression_problems({"a": ["@item()", "@@x", "a@b"]}, "inputs") == []


def test_compiling_raises_the_first_problem_and_names_its_path() -> None:
    with pytest.raises(ExpressionError, match=r"^inputs\.b\[1\]: there is no function 'foo'") as caught:
        compile_template({"a": 1, "b": ["", "@foo()"], "c": "@bar()"}, "inputs")

    assert (caught.value.expression, caught.value.position) == ("@foo()", 1)


def test_an_error_while_resolving_names_the_path_of_its_text() -> None:
    template = compile_template({"a": {"b": "@upper(triggerBody())"}}, "inputs")

    with pytest.raises(ExpressionError, match=r"^inputs\.a\.b: upper\(text\) takes text here, not a number \(5\)"):
        template.resolve(ValuesEnvironment(body=5))


def test_references_can_be_listed_with_the_texts_that_hold_them() -> None:
    value = {"a": "@{item()} @{steps('q').status}", "b": ["@foo()", "@run()"]}

    found = [
        (path, text, reference.source, reference.position) for path, text, reference in located_references(value, "in")
    ]

    assert found == [
        ("in.a", "@{item()} @{steps('q').status}", "item", 2),
        ("in.a", "@{item()} @{steps('q').status}", "steps.status", 12),
        ("in.b[1]", "@run()", "run", 0),
    ]


def test_a_value_that_json_does_not_have_cannot_become_text() -> None:
    template = compile_template("x @{triggerBody()}")

    with pytest.raises(ExpressionError, match="object is not a JSON type"):
        template.resolve(ValuesEnvironment(body=object()))
