"""Every function of the library: what it gives, and what it refuses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from floworch.core.expressions import compile_template
from floworch.core.expressions.functions import FUNCTIONS
from floworch.core.model.payload import Json
from floworch.errors import ExpressionError
from tests.unit.core.expressions.environment import ValuesEnvironment

RUN = ValuesEnvironment(
    body={"list": [1, "b", None, [2]], "text": "Grüße", "none": None, "empty": [], "object": {"a": 1}, "half": 2.5},
)

RESULTS: list[tuple[str, Json]] = [
    ("coalesce(null, triggerBody().missing, 'x', 'y')", "x"),
    ("coalesce(null)", None),
    ("coalesce(false, true)", False),
    ("coalesce(triggerBody().object)?.a", 1),
    ("concat('a', 1, true, null, 2.50, triggerBody().empty)", "a1true2.5[]"),
    ("length('äöü')", 3),
    ("length(triggerBody().list)", 4),
    ("length(triggerBody().object)", 1),
    ("contains('abc', 'bc')", True),
    ("contains('abc', '')", True),
    ("contains(triggerBody().list, 1.0)", True),
    ("contains(triggerBody().list, '1')", False),
    ("contains(triggerBody().list, null)", True),
    ("contains(triggerBody().list, json('[2]'))", True),
    ("contains(triggerBody().object, 'a')", True),
    ("contains(triggerBody().object, 'b')", False),
    ("startsWith('abc', 'ab')", True),
    ("startsWith('abc', 'B')", False),
    ("ENDSWITH('abc', 'bc')", True),
    ("lower(triggerBody().text)", "grüße"),
    ("upper('abc')", "ABC"),
    ("trim(' \\t a b \\n')", "a b"),
    ("int('42')", 42),
    ("int(' -7 ')", -7),
    ("int(3.0)", 3),
    ("int('1e3')", 1000),
    ("int('123456789012345678901234567890')", 123456789012345678901234567890),
    ("float('0.1')", 0.1),
    ("float(2)", 2.0),
    ("float('0.12345678901234567890')", Decimal("0.12345678901234567890")),
    ("float(18446744073709551617)", Decimal(18446744073709551617)),
    ("string(1.50)", "1.5"),
    ("string(null)", ""),
    ("string(triggerBody().list)", '[1,"b",null,[2]]'),
    ("json('{\"a\":[1.10,1e400,18446744073709551617]}')", {"a": [1.1, Decimal("1e400"), 2**64 + 1]}),
    ("json('\"x\"')", "x"),
    ('json(\'[{"n":"v"}]\')[0].n', "v"),
    ("first(triggerBody().list)", 1),
    ("first('')", None),
    ("last(triggerBody().list)", [2]),
    ("last(triggerBody().empty)", None),
    ("last('abc')", "c"),
    ("join(triggerBody().list, '-')", "1-b--[2]"),
    ("join(triggerBody().empty, '-')", ""),
    ("split('a, b,c', ',')", ["a", " b", "c"]),
    ("split('', ',')", [""]),
    ("range(1, 4)", [1, 2, 3, 4]),
    ("range(-1, 2.0)", [-1, 0]),
    ("range(5, 0)", []),
    ("length(range(0, 100000))", 100_000),
    ("utcNow()", "2026-03-14T15:09:26.535897Z"),
    ("utcNow('%Y-%m-%d')", "2026-03-14"),
    ("addSeconds('2026-01-01T00:00:00Z', 90)", "2026-01-01T00:01:30Z"),
    ("addSeconds('2026-01-01T01:00:00+02:00', -0.000001)", "2025-12-31T22:59:59.999999Z"),
    ("addSeconds('2026-01-01', 0.1)", "2026-01-01T00:00:00.100000Z"),
    (
        "formatDateTime('2026-01-05T13:04:05.000678+01:00', '%A %a %d %B %b %Y %y %m %H:%M:%S.%f')",
        "Monday Mon 05 January Jan 2026 26 01 12:04:05.000678",
    ),
    (
        "formatDateTime('2024-12-30T00:00:00Z', '%j %u %G-W%V %I%p %F %T %z %Z %s 100%%')",
        "365 1 2025-W01 12AM 2024-12-30 00:00:00 +0000 UTC 1735516800 100%",
    ),
    ("formatDateTime('0099-07-01', '%Y')", "0099"),
    ("if(1 < 2, 'yes', 'no')", "yes"),
    ("if(false, 'yes', null)", None),
    ("and(true, 1 == 1, true)", True),
    ("and(true, false)", False),
    ("or(false, 1 == 1)", True),
    ("or(false)", False),
    ("not(1 == 2)", True),
    ("equals(1, 1.0)", True),
    ("equals('a', null)", False),
]


@pytest.mark.parametrize(("source", "value"), RESULTS)
def test_a_function_gives(source: str, value: Json) -> None:
    result = compile_template(f"@{source}").resolve(RUN)

    assert (result, type(result)) == (value, type(value))


def test_every_function_has_a_case() -> None:
    tested = {source.partition("(")[0].lower() for source, _ in RESULTS}

    assert tested == set(FUNCTIONS)


REFUSALS = [
    ("length(null)", 7, "length(value) takes text, an array or an object here, not null; use coalesce()"),
    ("length(5)", 7, "not a number (5)"),
    ("contains(null, 'a')", 9, "not null"),
    ("contains('a', 1)", 14, "contains(value, part) takes text here, not a number (1)"),
    ("contains(triggerBody().object, null)", 31, "takes text here, not null"),
    ("startsWith(1, 'a')", 11, "takes text here, not a number (1)"),
    ("endsWith('a', null)", 14, "takes text here, not null"),
    ("lower(true)", 6, "not a boolean (true)"),
    ("upper(triggerBody().list)", 6, 'not an array ([1,"b",null,[2]])'),
    ("trim(null)", 5, "not null"),
    ("int('3.7')", 4, "3.7 is not a whole number"),
    ("int(2.5)", 4, "2.5 is not a whole number"),
    ("int('1_000')", 4, "not text ('1_000'): this is not a number"),
    ("int('٣')", 4, "this is not a number"),
    ("int('')", 4, "this is not a number"),
    ("int(true)", 4, "int(value) takes a number or the text of one here, not a boolean (true)"),
    ("int('1e999999')", 4, "more than 4000 digits"),
    (f"int('{'9' * 5000}')", 4, "at most 4000 digits"),
    ("float('nan')", 6, "this is not a number"),
    ("float(null)", 6, "not null"),
    ("json('[1')", 5, "json(text): Expecting ',' delimiter"),
    ("json('NaN')", 5, "NaN is not JSON"),
    ("json('[-Infinity]')", 5, "-Infinity is not JSON"),
    ("json('')", 5, "Expecting value"),
    ("json(5)", 5, "json(text) takes text here, not a number (5)"),
    (f"json('{'[' * 66}{']' * 66}')", 5, "nested deeper than 64 levels"),
    (f"json('{'[' * 10000}{']' * 10000}')", 5, "nested deeper than 64 levels"),
    (f"json('{'1' * 5000}')", 5, "at most 4000 digits"),
    ("first(null)", 6, "first(value) takes an array or text here, not null"),
    ("last(triggerBody().object)", 5, "not an object"),
    ("join('abc', ',')", 5, "join(array, separator) takes an array here, not text ('abc')"),
    ("join(triggerBody().list, 1)", 25, "takes text here, not a number (1)"),
    ("split('a', '')", 11, "needs a separator of at least one character"),
    ("split(null, ',')", 6, "not null"),
    ("range(0, 100001)", 9, "range(start, count) makes 0 to 100,000 numbers, not 100001"),
    ("range(0, -1)", 9, "not -1"),
    ("range(0.5, 1)", 6, "range(start, count): 0.5 is not a whole number"),
    ("range('0', 1)", 6, "takes a number here, not text ('0')"),
    ("addSeconds('yesterday', 1)", 11, "takes a time such as 2026-01-31T12:00:00Z here, not text ('yesterday')"),
    ("addSeconds(utcNow(), '1')", 21, "takes a number here, not text ('1')"),
    ("addSeconds(utcNow(), 1e300)", 21, "outside of the years 1 to 9999"),
    ("addSeconds(utcNow(), -1e999999)", 21, "outside of the years 1 to 9999"),
    ("addSeconds('9999-12-31T23:59:59Z', 1)", 35, "outside of the years 1 to 9999"),
    ("formatDateTime('0001-01-01T00:00:00+01:00', '%Y')", 15, "takes a time such as"),
    ("formatDateTime(5, '%Y')", 15, "takes text here, not a number (5)"),
    ("formatDateTime(utcNow(), '%Q')", 25, "unknown time code '%Q'; known are %Y"),
    ("formatDateTime(utcNow(), '100%')", 25, "unknown time code '%'"),
    ("utcNow(5)", 7, "takes text here, not a number (5)"),
    ("if(1, 2, 3)", 3, "the condition of if() must be true or false, not a number (1)"),
    ("and(true, 'x')", 10, "an argument of and() must be true or false, not text ('x')"),
    ("or(null)", 3, "an argument of or() must be true or false, not null"),
    ("not('true')", 0, "the argument of not() must be true or false, not text ('true')"),
    ("equals(1, 'a')", 0, "'equals()' compares values of one type"),
]


@pytest.mark.parametrize(("source", "position", "message"), REFUSALS, ids=lambda value: str(value)[:50])
def test_a_function_refuses_what_it_cannot_take(source: str, position: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(f"@{source}").resolve(RUN)

    assert message in caught.value.reason
    assert caught.value.position == position + 1


LAZY = [
    "if(true, 1, int('x'))",
    "if(false, int('x'), 1)",
    "coalesce(1, int('x'))",
    "if(and(false, int('x')), 2, 1)",
    "if(or(true, int('x')), 1, 2)",
]


@pytest.mark.parametrize("source", LAZY)
def test_an_argument_that_does_not_matter_is_not_evaluated(source: str) -> None:
    assert compile_template(f"@{source}").resolve(RUN) == 1


def test_the_current_time_comes_from_the_environment_in_any_zone() -> None:
    run = ValuesEnvironment(now=datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))))

    assert compile_template("@utcNow()").resolve(run) == "2025-12-31T23:00:00Z"


def test_constant_arguments_of_the_wrong_number_are_found_before_any_run() -> None:
    for function in FUNCTIONS.values():
        arguments = ", ".join(["1"] * ((function.most or function.least) + 1 if function.most is not None else 0))
        with pytest.raises(ExpressionError, match=f"^{function.name}\\(\\) takes"):
            compile_template(f"@{function.name}({arguments})")
