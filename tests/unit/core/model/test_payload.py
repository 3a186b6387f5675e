from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from floworch.core.model.payload import Payload
from floworch.errors import InvalidPayload, PayloadTooLarge


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Word(StrEnum):
    KEY = "key"


@dataclass
class Item:
    sku: str
    price: Decimal


class Order(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)
    order_id: UUID = Field(alias="orderId")
    items: list[Item]


class Unserialisable(BaseModel):
    @property
    def broken(self) -> str:
        return ""

    def model_dump(self, **_: Any) -> dict[str, Any]:
        raise KeyError("lost")


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


SOME_ID = UUID("00000000-0000-0000-0000-00000000000a")

ENCODED = [
    (None, "null"),
    (True, "true"),
    (0, "0"),
    (-1.5, "-1.5"),
    ("é\n\u2028", '"é\\n\u2028"'),
    ({}, "{}"),
    ((1, "a"), '[1,"a"]'),
    ({"b": 1, "a": 2}, '{"b":1,"a":2}'),
    ({Word.KEY: Word.KEY}, '{"key":"key"}'),
    ({"1": 1, "true": 2, "null": 3}, '{"1":1,"true":2,"null":3}'),
    (Colour.RED, '"red"'),
    (Level.HIGH, "3"),
    ({"c", "a", "b"}, '["a","b","c"]'),
    (frozenset({1, "a"}), '["a",1]'),
    (MappingProxyType({"a": 1}), '{"a":1}'),
    (Decimal("1.10"), "1.10"),
    (Decimal("1E+400"), "1E+400"),
    ([Decimal("12345678901234567890.123456789")], "[12345678901234567890.123456789]"),
    (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), '"2026-01-02T03:04:05.000006+00:00"'),
    (date(2026, 1, 2), '"2026-01-02"'),
    (time(3, 4), '"03:04:00"'),
    (timedelta(minutes=1, seconds=30), '"PT1M30S"'),
    (SOME_ID, f'"{SOME_ID}"'),
    (PurePosixPath("/a/b"), '"/a/b"'),
    (Item("a", Decimal("2.50")), '{"sku":"a","price":2.50}'),
    (
        Order(orderId=SOME_ID, items=[Item("a", Decimal(1))]),
        f'{{"orderId":"{SOME_ID}","items":[{{"sku":"a","price":1}}]}}',
    ),
    ("[" * 100 + '\\"', '"' + "[" * 100 + '\\\\\\""'),
    ([['"]', "["]] * 70, "[" + ",".join(['["\\"]","["]'] * 70) + "]"),
    (10**4300 - 1, "9" * 4300),
]


@pytest.mark.parametrize(("value", "text"), ENCODED, ids=[ascii(text)[:40] for _, text in ENCODED])
def test_a_value_is_written_as_compact_json(value: Any, text: str) -> None:
    assert Payload.of(value).text == text


def loop() -> list[Any]:
    value: list[Any] = []
    value.append({"again": value})
    return value


def numbers() -> Iterator[int]:
    yield 1


REFUSED = [
    ({"items": [{"price": float("nan")}]}, "$.items[0].price", "null for a value that is not known"),
    ([float("inf")], "$[0]", "the number is inf"),
    ({"a": Decimal("NaN")}, "$.a", "the number is NaN"),
    ({"a": [b"bytes"]}, "$.a[0]", "base64"),
    ({"a": "x\0y"}, "$.a", "NUL"),
    ({"a\0": 1}, "$['a\\x00']", "NUL"),
    ({"a b": "\ud800"}, "$['a b']", "\\ud800"),
    ({"\udfff": 1}, "$['\\udfff']", "surrogate"),
    ({"a": {1: "x"}}, "$.a", "key 1 is an int"),
    ({True: "x"}, "$", "key True is a bool"),
    ({None: "x"}, "$", "key None is a NoneType"),
    ({1.5: "x"}, "$", "key 1.5 is a float"),
    ({Level.HIGH: 1}, "$", "not a string"),
    ({"a": object()}, "$.a", "an object is not a JSON value"),
    (numbers(), "$", "turn it into a list"),
    ([1 + 2j], "$[0]", "a complex is not a JSON value"),
    (Item, "$", "not a JSON value"),
    (loop(), "$[0].again", "contains itself"),
    (nested(65), "$.a[0].a[0]", "deeper than 64"),
    ([10**4300], "$[0]", "4300 digits"),
    ([Decimal("1E+4301")], "$[0]", "4300 digits"),
    ({"model": Unserialisable()}, "$.model", "could not be serialised"),
]


@pytest.mark.parametrize(
    ("value", "path", "problem"), REFUSED, ids=[f"{path}-{problem}" for _, path, problem in REFUSED]
)
def test_a_value_that_json_cannot_hold_is_refused_with_its_path(value: Any, path: str, problem: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        Payload.of(value)

    assert str(caught.value).startswith(path)
    assert problem in str(caught.value)


def test_sixty_four_levels_are_allowed() -> None:
    assert Payload.from_text(Payload.of(nested(64)).text).value == nested(64)


def test_the_same_object_twice_is_not_a_cycle() -> None:
    shared = [Decimal(1)]
    assert Payload.of([shared, shared]).text == "[[1],[1]]"


@pytest.mark.parametrize("limit", [0, 640, 100_000])
def test_the_digits_of_integers_are_bounded_whatever_the_interpreter_allows(limit: int) -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        with pytest.raises(InvalidPayload, match="digits"):
            Payload.of(10**4300)
        with pytest.raises(InvalidPayload, match="digits"):
            Payload.from_text("1" * 4301)
    finally:
        sys.set_int_max_str_digits(before)


def test_the_size_is_counted_in_bytes_and_named_with_the_limit() -> None:
    assert Payload.of("é" * 9, max_bytes=20).size_bytes == 20
    with pytest.raises(PayloadTooLarge, match="22 bytes as JSON; the limit is 20 bytes"):
        Payload.of("é" * 10, max_bytes=20)
    with pytest.raises(PayloadTooLarge, match="1,003 bytes"):
        Payload.from_text(" " * 1000 + "[1]", max_bytes=1000)


NUMBERS = [
    ("1.5", 1.5),
    ("1.50", 1.5),
    ("1e5", 100000.0),
    ("0.1", 0.1),
    ("0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
    ("12345678901234567890.5", Decimal("12345678901234567890.5")),
    ("1e400", Decimal("1E+400")),
    ("1e-400", Decimal("1E-400")),
    ("18446744073709551616", 2**64),
]


@pytest.mark.parametrize(("text", "number"), NUMBERS)
def test_a_number_is_read_as_float_only_where_a_float_is_exact(text: str, number: object) -> None:
    value = Payload(text).value

    assert (type(value), value) == (type(number), number)


FOREIGN = [
    ('{"a": 1, "a": 2}', {"a": 2}),
    (b"\xef\xbb\xbf[1]", [1]),
    ('"\\ud83d\\ude00"', "\U0001f600"),
    ("[]", []),
]


@pytest.mark.parametrize(("text", "value"), FOREIGN)
def test_foreign_text_is_normalised(text: str | bytes, value: object) -> None:
    payload = Payload.from_text(text)

    assert payload.value == value
    assert payload == Payload.of(value)


BROKEN = [
    ("NaN", "NaN is not a JSON value"),
    ("[1, -Infinity]", "-Infinity is not a JSON value"),
    ("[1,", "line 1, column 4"),
    ("", "where the text ends"),
    (b"\xff", "byte 0 is 0xff"),
    ('["\\ud800"]', "surrogate"),
    ('{"a":"\\u0000"}', "NUL"),
    ("[" * 65 + "]" * 65, "deeper than 64"),
    ("[" * 200_000 + "]" * 200_000, "deeper than 64"),
    ('["]",' * 65 + '"["' + "]" * 65, "deeper than 64"),
    ("9" * 4301, "4300 digits"),
    ("1e99999999999999999999", "4300 digits"),
    ("1e-5000", "4300 digits"),
]


@pytest.mark.parametrize(("text", "problem"), BROKEN, ids=lambda each: ascii(each)[:30])
def test_foreign_text_that_breaks_the_rules_is_refused(text: str | bytes, problem: str) -> None:
    with pytest.raises(InvalidPayload, match=problem):
        Payload.from_text(text)


def test_null_is_a_payload() -> None:
    assert Payload.of(None).text == "null"
    assert Payload.of(None).value is None


def test_a_payload_survives_pickling() -> None:
    payload = pickle.loads(pickle.dumps(Payload.of({"a": [1, Decimal("0.1")]})))

    assert payload == Payload.of({"a": [1, 0.1]})
    assert payload.value == {"a": [1, 0.1]}


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=100)


@given(DOCUMENTS)
def test_every_json_value_comes_back_as_it_was(value: Any) -> None:
    assert Payload(Payload.of(value).text).value == value
    assert Payload.from_text(Payload.of(value).text) == Payload.of(value)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_keeps_its_value(number: Decimal) -> None:
    value = Payload(Payload.of([number]).text).value[0]

    assert Decimal(repr(value) if isinstance(value, float) else value) == number


ANYTHING = st.recursive(
    SCALARS | st.binary(max_size=2) | st.decimals() | st.floats() | st.text(max_size=3) | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.none() | st.integers() | st.text(max_size=3), inner),
    max_leaves=20,
)


@given(ANYTHING)
def test_a_value_is_either_refused_or_stored_in_a_form_that_the_rules_accept(value: Any) -> None:
    try:
        payload = Payload.of(value)
    except InvalidPayload:
        return
    assert Payload.from_text(payload.text).value == payload.value


@given(st.text() | st.text('[]{}",:\\01e.-', max_size=200))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        payload = Payload.from_text(text)
    except InvalidPayload:
        return
    assert Payload.from_text(payload.text) == payload
