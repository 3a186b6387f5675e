"""Typed expressions render to the text that one would write by hand."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from floworch import expr
from floworch.core.expressions import compile_condition, compile_template
from floworch.core.expressions.functions import FUNCTIONS
from floworch.core.model.status import StepStatus

BODY = expr.trigger_body()
FETCH = expr.steps("fetch")

RENDERED: list[tuple[expr.Expr, str]] = [
    (BODY, "@triggerBody()"),
    (BODY.amount.net, "@triggerBody().amount.net"),
    (BODY["odd key"][0].x, "@triggerBody()['odd key'][0].x"),
    (FETCH.output.order_id, "@steps('fetch').output.order_id"),
    (FETCH.status, "@steps('fetch').status"),
    (FETCH.error.message, "@steps('fetch').error.message"),
    (expr.trigger_headers()["X-Id"], "@triggerHeaders().X-Id"),
    (expr.trigger().key, "@trigger().key"),
    (expr.run().id, "@run().id"),
    (expr.flow().version, "@flow().version"),
    (expr.item(), "@item()"),
    (expr.item("years").name, "@item('years').name"),
    (expr.index("it's"), "@index('it\\'s')"),
    (BODY.amount > 1000, "@triggerBody().amount > 1000"),
    (BODY.amount > 1000, "@triggerBody().amount > 1000"),
    (BODY.amount <= Decimal("0.10"), "@triggerBody().amount <= 0.1"),
    (BODY.amount >= -2.5, "@triggerBody().amount >= -2.5"),
    (BODY.a < BODY.b, "@triggerBody().a < triggerBody().b"),
    (BODY.name == "it's", "@triggerBody().name == 'it\\'s'"),
    (BODY.name != None, "@triggerBody().name != null"),  # noqa: E711 - `is not` cannot be rendered
    (BODY.flag == True, "@triggerBody().flag == true"),  # noqa: E712 - `is` cannot be rendered
    (FETCH.status == StepStatus.SUCCEEDED, "@steps('fetch').status == 'Succeeded'"),
    (BODY.tags == ["a", {"b": 1.5}], '@triggerBody().tags == json(\'["a",{"b":1.5}]\')'),
    ((BODY.a > 1) & (BODY.b > 2) & (BODY.c > 3), "@triggerBody().a > 1 && triggerBody().b > 2 && triggerBody().c > 3"),
    ((BODY.a | BODY.b) & ~BODY.c, "@(triggerBody().a || triggerBody().b) && !triggerBody().c"),
    (BODY.a | BODY.b & BODY.c, "@triggerBody().a || triggerBody().b && triggerBody().c"),
    (BODY.a | BODY.b | False, "@triggerBody().a || triggerBody().b || false"),
    (True & BODY.a, "@true && triggerBody().a"),
    (False | BODY.a, "@false || triggerBody().a"),
    (~(BODY.a == 1), "@!triggerBody().a == 1"),
    (~(BODY.a & BODY.b), "@!(triggerBody().a && triggerBody().b)"),
    ((BODY.a == 1) == (BODY.b == 1), "@(triggerBody().a == 1) == (triggerBody().b == 1)"),
    (BODY.name.upper(), "@upper(triggerBody().name)"),
    (BODY.name.starts_with("a"), "@startsWith(triggerBody().name, 'a')"),
    (BODY.name.trim().length() > 3, "@length(trim(triggerBody().name)) > 3"),
    (BODY.upper.length, "@triggerBody().upper.length"),
    (BODY.items.first().name.lower(), "@lower(first(triggerBody().items).name)"),
    (FETCH.status.lower(), "@lower(steps('fetch').status)"),
    (expr.first(BODY.items).name, "@first(triggerBody().items).name"),
    (expr.coalesce(BODY.a, BODY.b, 0), "@coalesce(triggerBody().a, triggerBody().b, 0)"),
    (expr.if_(BODY.a, 1, None), "@if(triggerBody().a, 1, null)"),
    (expr.utc_now(), "@utcNow()"),
    (expr.format_date_time(expr.utc_now(), "%Y"), "@formatDateTime(utcNow(), '%Y')"),
    (expr.literal("text"), "@'text'"),
]


@pytest.mark.parametrize(("expression", "text"), RENDERED, ids=lambda value: str(value)[:60])
def test_an_expression_renders_to_text_that_compiles(expression: expr.Expr, text: str) -> None:
    assert str(expression) == text
    assert type(expression).__floworch_expression__(expression) == text
    assert compile_template(text).source == text


def test_an_expression_inside_an_f_string_becomes_part_of_the_text() -> None:
    assert f"Order {BODY.id} of {FETCH.output.count.string()}" == (
        "Order @{triggerBody().id} of @{string(steps('fetch').output.count)}"
    )


def test_a_rendered_comparison_is_a_condition() -> None:
    condition = compile_condition(str((BODY.amount > 1000) & (FETCH.status == "Succeeded")))

    assert {reference.source.value for reference in condition.references} == {"triggerBody", "steps.status"}


def test_every_function_of_the_library_is_there_under_its_python_name() -> None:
    functions = {name.replace("_", "").lower(): getattr(expr, name) for name in expr.__all__}

    for folded, function in FUNCTIONS.items():
        written = ", ".join(["'a'"] * function.least)
        assert str(functions[folded](*["a"] * function.least)) == f"@{function.name}({written})"
        assert inspect.getdoc(functions[folded])


def test_an_expression_survives_copying_and_pickling() -> None:
    assert str(copy.deepcopy(BODY.a.b)) == "@triggerBody().a.b"
    assert str(pickle.loads(pickle.dumps(BODY.a.b))) == "@triggerBody().a.b"


UNTYPED: Any = BODY
"""What a type checker would refuse is refused at run time as well."""

MISUSES: list[tuple[Callable[[], Any], str]] = [
    (lambda: bool(BODY.a == 1), "combine expressions with & | ~"),
    (lambda: 1 < BODY.a < 3, "combine expressions with & | ~"),
    (lambda: BODY.name.uper(), "there is no function 'uper' to call; did you mean 'upper'?"),
    (lambda: BODY(), "@triggerBody() is not a function"),
    (lambda: BODY.name.upper(1), "upper() takes 1 argument, not 2"),
    (lambda: expr.concat(), "concat() takes 1 or more arguments, not 0"),
    (lambda: BODY[-1], "an index from 0 on, not -1"),
    (lambda: BODY[True], "an index from 0 on, not True"),
    (lambda: expr.literal(float("nan")), "NaN is not a number that JSON knows"),
    (lambda: expr.literal([BODY]), "Expr is not a JSON type"),
    (lambda: expr.concat(object()), "object is not a JSON type"),
    (lambda: BODY == FETCH, "<step 'fetch': read its .output, .status or .error> cannot be part of an expression"),
    (lambda: list(UNTYPED), "not iterable"),
    (lambda: "a" in UNTYPED, "not a container"),
]


@pytest.mark.parametrize(("misuse", "message"), MISUSES)
def test_misuse_is_a_type_error_that_says_what_to_do(misuse: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        misuse()

    assert message in str(caught.value)


def test_a_format_specification_is_refused() -> None:
    with pytest.raises(ValueError, match=r"takes no format specification, got '\.2f'"):
        f"{BODY.amount:.2f}"
