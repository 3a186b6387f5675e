"""What holds for every expression, every text and every payload."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from floworch.core.expressions import compile_condition, compile_template, expression_problems
from floworch.core.expressions.functions import FUNCTIONS, Function
from floworch.core.expressions.kinds import json_text
from floworch.core.expressions.numeric import as_decimal, narrow, number_text, parse_number
from floworch.core.expressions.operators import COMPARISONS, same_json
from floworch.core.expressions.origin import Origin
from floworch.core.expressions.parser import parse
from floworch.core.expressions.printer import print_expression
from floworch.core.expressions.references import Source
from floworch.core.expressions.strings import quote, read_string
from floworch.core.expressions.syntax import And, Call, Comparison, Literal, Member, Node, Not, Or, Read
from floworch.core.model.payload import Json
from floworch.errors import ExpressionError
from tests.unit.core.expressions.environment import ValuesEnvironment

TEXT = st.text(max_size=12)
NAMES = st.one_of(st.sampled_from(["a", "order-id", "$x", "ünï", "true", "odd name", "'", "0"]), TEXT)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False).map(narrow)
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), DECIMALS)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
PATHS = st.lists(st.one_of(NAMES, st.integers(0, 99)), max_size=3).map(tuple)
KEYS = st.text(min_size=1, max_size=8)


def _read(source: Source, name: str | None = None, path: Any = ()) -> Read:
    return Read(source, name, path)


READS = st.one_of(
    st.builds(_read, st.sampled_from([Source.TRIGGER_BODY, Source.TRIGGER, Source.RUN, Source.FLOW]), path=PATHS),
    st.builds(_read, st.just(Source.TRIGGER_HEADERS), path=st.lists(NAMES, max_size=1).map(tuple)),
    st.builds(_read, st.just(Source.STEP_OUTPUT), KEYS, PATHS),
    st.builds(_read, st.just(Source.STEP_STATUS), KEYS),
    st.builds(_read, st.just(Source.STEP_ERROR), KEYS, st.sampled_from([(), ("message",), ("type",)])),
    st.builds(_read, st.just(Source.ITEM), st.none() | KEYS, PATHS),
    st.builds(_read, st.just(Source.INDEX), st.none() | KEYS),
)


def _calls(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def of(function: Function) -> st.SearchStrategy[Node]:
        most = function.least + 2 if function.most is None else function.most
        arguments = st.lists(inner, min_size=function.least, max_size=most).map(tuple)
        return st.builds(Call, st.just(function.name), arguments)

    return st.sampled_from(list(FUNCTIONS.values())).flatmap(of)


def _larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        _calls(inner),
        st.builds(Not, inner),
        st.builds(And, several),
        st.builds(Or, several),
        st.builds(Comparison, st.sampled_from(list(COMPARISONS)), inner, inner),
        st.builds(Member, inner, PATHS.filter(bool)),
    )


LITERALS = st.one_of(st.none(), st.booleans(), TEXT, NUMBERS.map(lambda number: parse_number(number_text(number))))
NODES: st.SearchStrategy[Node] = st.recursive(st.one_of(st.builds(Literal, LITERALS), READS), _larger, max_leaves=10)

FRAGMENTS = st.sampled_from(
    [
        *(
            "@",
            "@@",
            "@{",
            "}",
            "(",
            ")",
            "[",
            "]",
            "'",
            '"',
            "\\",
            ",",
            ".",
            "?.",
            "?[",
            "!",
            "==",
            "<",
            "&&",
            "||",
            " ",
        ),
        *(
            "steps('a')",
            ".output",
            ".status",
            "triggerBody()",
            "item()",
            "concat",
            "if",
            "1",
            "-2.5",
            "1e9",
            "true",
            "\n",
        ),
        *("null", "'x'", "length", "é", "\ud800", "\x00", "json('[1]')", "utcNow()", "range(0, 3)", "int"),
    ]
)
PROGRAMS = st.one_of(st.lists(FRAGMENTS, max_size=12).map("".join), st.text())


@given(NODES)
def test_printing_an_expression_and_parsing_it_gives_it_back(node: Node) -> None:
    text = print_expression(node)

    assert parse(Origin(text)) == node
    assert parse(Origin(f"@{text}")) == node


@given(NODES, VALUES)
def test_an_expression_gives_a_value_or_an_expression_error(node: Node, payload: Json) -> None:
    run = ValuesEnvironment(body=payload, items=_Everywhere(payload), indexes=_Everywhere(1))

    text = print_expression(node)

    mistakes = [
        _mistake(lambda: compile_template(f"@{text}").resolve(run)),
        _mistake(lambda: compile_template(f"text @{{{text}}} text").resolve(run)),
    ]

    assert all(mistake.position is not None for mistake in filter(None, mistakes))


class _Everywhere(dict[str | None, Any]):
    """Answers every loop key alike."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def __missing__(self, key: str | None) -> Any:
        return self._value


@given(PROGRAMS)
def test_no_text_raises_anything_but_an_expression_error(text: str) -> None:
    run = ValuesEnvironment(items=_Everywhere("i"), indexes=_Everywhere(0))

    mistakes = [
        _mistake(lambda: compile_template({"a": [text]}, "inputs").resolve(run)),
        _mistake(lambda: compile_condition(text).evaluate(run)),
    ]

    for mistake in filter(None, mistakes):
        assert mistake.expression == text
        assert mistake.position is not None
        assert 0 <= mistake.position <= len(text)


@given(PROGRAMS)
def test_a_text_has_problems_exactly_when_it_does_not_compile(text: str) -> None:
    mistake = _mistake(lambda: compile_template(text))

    assert [str(error) for _, error in expression_problems(text, "inputs")][:1] == [str(mistake)] * (
        mistake is not None
    )


@given(PROGRAMS | VALUES)
def test_a_payload_is_never_resolved(payload: Json) -> None:
    run = ValuesEnvironment(body={"p": payload}, outputs={"a": "stolen"}, items=_Everywhere("stolen"))
    template = compile_template({"x": "@triggerBody().p", "y": ["@coalesce(triggerBody().p, null)"]})

    assert template.resolve(run) == {"x": payload, "y": [payload]}
    if isinstance(payload, str):
        assert compile_template("<@{triggerBody().p}>").resolve(run) == f"<{payload}>"


@given(st.text())
def test_every_text_can_be_escaped_to_stay_as_it_is(text: str) -> None:
    escaped = text.replace("@{", "@@{")
    if escaped.lstrip().startswith("@") and not escaped.lstrip().startswith("@@{"):
        start = len(escaped) - len(escaped.lstrip())
        escaped = f"{escaped[:start]}@{escaped[start:]}"

    assert compile_template(escaped).resolve(ValuesEnvironment()) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_quoted_text_reads_back_as_it_was(text: str) -> None:
    quoted = quote(text)

    assert read_string(Origin(quoted), 0) == (text, len(quoted))
    assert parse(Origin(json.dumps(text).replace("\\b", "\\u0008").replace("\\f", "\\u000c"))) == Literal(text)


@given(NUMBERS)
def test_the_text_of_a_number_is_exact(number: int | float | Decimal) -> None:
    text = number_text(number)

    assert as_decimal(parse_number(text)) == as_decimal(number)
    assert number_text(parse_number(text)) == text


@given(VALUES)
def test_the_json_text_of_a_value_reads_back_as_the_same_value(value: Json) -> None:
    assert same_json(json.loads(json_text(value), parse_float=Decimal), value)


@given(VALUES, VALUES)
def test_values_are_the_same_exactly_when_their_sorted_json_is(one: Json, other: Json) -> None:
    assert same_json(one, other) == (_sorted_json(one) == _sorted_json(other))


@given(NUMBERS, NUMBERS)
def test_exactly_one_of_less_equal_and_greater_holds_for_numbers(one: Any, other: Any) -> None:
    assert [COMPARISONS[operator](one, other) for operator in ("<", "==", ">")].count(True) == 1
    assert COMPARISONS["<="](one, other) is not COMPARISONS[">"](one, other)
    assert COMPARISONS[">="](one, other) is not COMPARISONS["<"](one, other)
    assert COMPARISONS["!="](one, other) is not COMPARISONS["=="](one, other)


def _mistake(action: Callable[[], object]) -> ExpressionError | None:
    try:
        action()
    except ExpressionError as error:
        return error
    return None


def _sorted_json(value: Json) -> Json:
    """An order-free, type-strict rendering that shares no code with the comparison."""
    if isinstance(value, dict):
        return ("object", sorted((name, repr(_sorted_json(member))) for name, member in value.items()))
    if isinstance(value, list):
        return ("array", [_sorted_json(item) for item in value])
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    sign, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int)
    significant = "".join(map(str, digits)).strip("0")
    trailing = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return ("number", (sign, significant, exponent + trailing) if significant else 0)
