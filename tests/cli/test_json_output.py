"""JSON that holds whatever a payload may hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floworch.cli.json_output import json_text
from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=20)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, 2]))
def test_every_payload_is_written_with_all_its_digits(value: Any, indent: int | None) -> None:
    text = json_text(Payload.of(value).value, indent)

    assert _exact(text) == _exact(Payload.of(value).text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0.12345678901234567890123"), "0.12345678901234567890123"),
        ('"\\u00001\\u0000"', '"\\"\\\\u00001\\\\u0000\\""'),
        (RunStatus.FAILED, '"Failed"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), '"2030-01-02T03:04:05+00:00"'),
        ("é☃", '"\\u00e9\\u2603"'),
    ],
)
def test_values_are_written_as_json(value: Any, text: str) -> None:
    assert json_text(value) == text


def test_the_deepest_payload_fits_into_a_document() -> None:
    value: Any = 1
    for _ in range(64):
        value = [value]

    assert json.loads(json_text({"steps": {"deep": {"output": Payload.of(value).value}}}))


def _exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)
