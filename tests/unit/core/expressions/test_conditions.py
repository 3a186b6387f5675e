"""Comparison, logic, precedence and the trace of `when` conditions."""

from __future__ import annotations

from decimal import Decimal

import pytest

from floworch.core.expressions import compile_condition, compile_template
from floworch.core.model.payload import Json
from floworch.errors import ExpressionError
from tests.unit.core.expressions.environment import ValuesEnvironment


def holds(source: str, body: Json = None) -> bool:
    return compile_condition(source).evaluate(ValuesEnvironment(body=body)).result


DECIDED = [
    ("1 == 1.0", True),
    ("1 != 1.0", False),
    ("0.1 == 0.10", True),
    ("1e3 == 1000", True),
    ("-1 < 0", True),
    ("2 <= 2 && 2 >= 2", True),
    ("18446744073709551617 > 18446744073709551616", True),
    ("9007199254740993 == 9007199254740992.0", False),
    ("0.10000000000000000001 > 0.1", True),
    ("1e400 > 1e399", True),
    ("'a' == 'a'", True),
    ("'a' == 'A'", False),
    ("'a' < 'b'", True),
    ("'Z' < 'a'", True),
    ("'10' < '9'", True),
    ("true == true", True),
    ("TRUE != False", True),
    ("null == null", True),
    ("null == 0", False),
    ("null != 'x'", True),
    ("false == null", False),
    ("true || false && false", True),
    ("(true || false) && false", False),
    ("!false && false", False),
    ("!(false && false)", True),
    ("!1 == 2", True),
    ("!!true", True),
    ("!true || true", True),
    ('json(\'{"a":[1,2.0],"b":null}\') == json(\'{"b":null,"a":[1.0,2]}\')', True),
    ("json('[1,2]') == json('[2,1]')", False),
    ("json('[true]') == json('[1]')", False),
    ('json(\'{"a":1}\') != json(\'{"a":1,"b":1}\')', True),
    ("json('[]') == null", False),
    ("@true", True),
    ("@(1 == 1)", True),
    ("@!false", True),
    ("", True),
    (" \n", True),
]


@pytest.mark.parametrize(("source", "result"), DECIDED)
def test_a_condition_is_decided(source: str, result: bool) -> None:
    assert holds(source) is result


@pytest.mark.parametrize(("source", "result"), [pair for pair in DECIDED if pair[0].strip()])
def test_conditions_and_values_share_one_grammar(source: str, result: bool) -> None:
    written = source if source.startswith("@") else f"@{source}"

    assert compile_template(written).resolve(ValuesEnvironment()) is result
    assert compile_template(f"@{{{source}}}").resolve(ValuesEnvironment()) == str(result).lower()


NUMBERS: list[tuple[Json, str, bool]] = [
    (0.1, "== 0.1", True),
    (0.1 + 0.2, "== 0.3", False),
    (Decimal("0.1"), "== 0.1", True),
    (Decimal("0.10"), "== 0.1", True),
    (2**64 + 1, "> 18446744073709551616", True),
    (2.0**64, "== 18446744073709552000", True),
    (Decimal("1e-400"), "> 0", True),
    (Decimal("1e5000"), "> 1e4999", True),
    (3, ">= 3.0", True),
]


@pytest.mark.parametrize(("value", "comparison", "result"), NUMBERS)
def test_numbers_of_every_python_type_compare_as_they_are_written(value: Json, comparison: str, result: bool) -> None:
    assert holds(f"triggerBody() {comparison}", value) is result


MIXED = [
    ("1 == '1'", "'==' compares values of one type, not a number (1) with text ('1')"),
    ("true == 1", "'==' compares values of one type, not a boolean (true) with a number (1)"),
    ("1 != true", "'!=' compares values of one type"),
    ("json('[]') == json('{}')", "not an array ([]) with an object ({})"),
    ("json('{}') == '{}'", "not an object ({}) with text ('{}')"),
    ("1 < '1'", "'<' orders two numbers or two texts, not a number (1) and text ('1')"),
    ("true > false", "'>' orders two numbers or two texts, not a boolean (true) and a boolean (false)"),
    ("null <= 1", "'<=' orders two numbers or two texts, not null and a number (1)"),
    ("null >= null", "not null and null"),
    ("json('[1]') < json('[2]')", "not an array ([1]) and an array ([2])"),
    ("json('{}') >= json('{}')", "orders two numbers or two texts"),
    ("!1", "the operand of '!' must be true or false, not a number (1)"),
    ("!null", "the operand of '!' must be true or false, not null"),
    ("true && 'x'", "the operand of '&&' must be true or false, not text ('x')"),
    ("false || 0", "the operand of '||' must be true or false, not a number (0)"),
    ("'true'", "the condition must be true or false, not text ('true')"),
    ("null", "the condition must be true or false, not null"),
    ("1", "the condition must be true or false, not a number (1)"),
]


@pytest.mark.parametrize(("source", "message"), MIXED)
def test_there_is_no_coercion_and_no_truthiness(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        holds(source)

    assert message in caught.value.reason


POSITIONS = [("1 == 1 && 2 < 'x'", 12), ("true && !5", 8), ("true && (false || 'x')", 18), ("length('ab')", 0)]


@pytest.mark.parametrize(("source", "position"), POSITIONS)
def test_an_error_points_at_the_operator_or_operand_to_blame(source: str, position: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        holds(source)

    assert caught.value.position == position


@pytest.mark.parametrize(
    "source", ["false && triggerBody() == 1", "true || triggerBody().a == 1", "and(false, triggerBody())"]
)
def test_short_circuit_never_reads_the_other_side(source: str) -> None:
    run = ValuesEnvironment(body="not comparable")

    compile_condition(source).evaluate(run)

    assert run.asked == []


def test_the_trace_shows_every_reference_that_was_read_at_its_place() -> None:
    source = "@triggerBody().a > 1 && (@steps('s').status == 'Failed' || triggerBody().a != null)"
    run = ValuesEnvironment(body={"a": 2}, statuses={"s": "Succeeded"})

    assert compile_condition(source).evaluate(run).trace == {
        "expression": source,
        "resolved": "2 > 1 && ('Succeeded' == 'Failed' || 2 != null)",
        "result": True,
        "references": [
            {"reference": "@triggerBody().a", "value": 2},
            {"reference": "@steps('s').status", "value": "Succeeded"},
            {"reference": "triggerBody().a", "value": 2},
        ],
    }


def test_the_trace_leaves_references_alone_that_were_not_reached() -> None:
    trace = compile_condition("false && @triggerBody().a == 'triggerBody().a'").evaluate(ValuesEnvironment()).trace

    assert trace["resolved"] == "false && @triggerBody().a == 'triggerBody().a'"
    assert trace["references"] == []


def test_a_reference_that_is_used_twice_is_listed_once() -> None:
    trace = compile_condition("triggerBody() > 1 && triggerBody() < 9").evaluate(ValuesEnvironment(body=3)).trace

    assert trace["resolved"] == "3 > 1 && 3 < 9"
    assert trace["references"] == [{"reference": "triggerBody()", "value": 3}]


def test_the_trace_does_not_copy_large_payloads() -> None:
    body = {"list": ["x" * 40] * 1000, "text": "y" * 5000}
    trace = (
        compile_condition("length(triggerBody().list) > 0 && triggerBody().text != ''")
        .evaluate(ValuesEnvironment(body=body))
        .trace
    )

    assert [len(entry["value"]) for entry in trace["references"]] == [1001, 1001]
    assert len(trace["resolved"]) < 2200


def test_a_failed_condition_carries_the_trace_up_to_the_mistake() -> None:
    with pytest.raises(ExpressionError) as caught:
        holds("triggerBody().a == 'x' || triggerBody().b", {"a": "y", "b": 0})

    assert caught.value.trace == {
        "expression": "triggerBody().a == 'x' || triggerBody().b",
        "resolved": "'y' == 'x' || 0",
        "result": False,
        "references": [{"reference": "triggerBody().a", "value": "y"}, {"reference": "triggerBody().b", "value": 0}],
        "error": caught.value.reason,
    }


def test_a_condition_can_be_evaluated_for_many_runs() -> None:
    condition = compile_condition("@triggerBody() > 1")

    assert [condition.evaluate(ValuesEnvironment(body=body)).result for body in (1, 2, 1)] == [False, True, False]


def test_a_value_that_json_does_not_have_is_an_expression_error_too() -> None:
    with pytest.raises(ExpressionError, match="object is not a JSON type"):
        holds("triggerBody() == 1", object())
