from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from typing_extensions import TypedDict

from floworch import StepContext
from floworch.core.handlers.binding import BindingError, bind
from floworch.core.handlers.parameters import read_parameters
from floworch.errors import ConfigurationError


class Size(Enum):
    SMALL = "s"


class Order(BaseModel):
    order_id: int
    note: str = ""


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 0


class Aliased(BaseModel):
    order_id: int = Field(alias="OrderNumber")


@dataclass
class Address:
    zip_code: str
    city: str = ""


class Mail(TypedDict):
    to_address: str


class NotAType:
    pass


def bound(function: Callable[..., Any], inputs: Any, written: Any = None) -> dict[str, Any]:
    return bind(read_parameters(function, "Handler f"), inputs, written)


def problem(function: Callable[..., Any], inputs: Any, written: Any = None) -> str:
    with pytest.raises(BindingError) as caught:
        bound(function, inputs, written)
    return str(caught.value)


def typed(annotation: Any) -> Callable[..., Any]:
    def handler(value: Any) -> None: ...

    handler.__annotations__["value"] = annotation
    return handler


COERCED = [
    (int, "7", 7),
    (int, Decimal(7), 7),
    (float, "1.5", 1.5),
    (float, 2, 2.0),
    (Decimal, "1.10", Decimal("1.10")),
    (Decimal, 0.1, Decimal("0.1")),
    (bool, "1", True),
    (bool, "false", False),
    (UUID, str(UUID(int=3)), UUID(int=3)),
    (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (timedelta, "PT1M", timedelta(minutes=1)),
    (timedelta, 90, timedelta(seconds=90)),
    (Size, "s", Size.SMALL),
    (list[int], ["1", 2], [1, 2]),
    (Order, {"order_id": "1"}, Order(order_id=1)),
    (Any, {"x": 1}, {"x": 1}),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), COERCED)
def test_values_are_coerced_to_the_annotation(annotation: Any, value: Any, expected: Any) -> None:
    assert bound(typed(annotation), {"value": value}) == {"value": expected}


@pytest.mark.parametrize("key", ["order_id", "orderId", "OrderId", "orderid", "order-id"])
def test_keys_match_parameters_whatever_their_case_and_separators(key: str) -> None:
    def handler(order_id: int) -> None: ...

    assert bound(handler, {key: 1}) == {"order_id": 1}


def test_an_alias_names_the_input() -> None:
    def handler(order_id: Annotated[int, Field(alias="OrderNumber")]) -> None: ...

    assert bound(handler, {"OrderNumber": "5"}) == {"order_id": 5}
    assert "input 'OrderNumber' is missing" in problem(handler, {})


def test_defaults_apply_and_the_context_is_no_input() -> None:
    def handler(ctx: StepContext, count: int = 3, note: str = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013  (people write it)

    assert bound(handler, {}) == {}
    assert bound(handler, {"note": None}) == {"note": None}
    assert read_parameters(handler, "f").context == "ctx"


def test_an_untyped_ctx_and_an_optional_context_are_contexts() -> None:
    def untyped(ctx, a: int) -> None: ...  # type: ignore[no-untyped-def]
    def optional(context: StepContext | None = None) -> None: ...

    assert read_parameters(untyped, "f").context == "ctx"
    assert read_parameters(optional, "f").context == "context"


def test_the_rest_goes_to_keyword_arguments() -> None:
    def handler(a: int, **others: Any) -> None: ...

    assert bound(handler, {"a": "1", "someKey": [2]}) == {"a": 1, "someKey": [2]}


def order_handler(order: Order) -> None: ...
def address_handler(ctx: StepContext, address: Address | None) -> None: ...
def mail_handler(mail: Mail) -> None: ...
def mixed_handler(order: Order, dry_run: bool = False) -> None: ...
def open_handler(options: Open) -> None: ...
def aliased_handler(order: Aliased) -> None: ...


WHOLE = [
    (order_handler, {"orderId": "1"}, {"order": Order(order_id=1)}),
    (order_handler, {"order": {"order_id": 2}}, {"order": Order(order_id=2)}),
    (address_handler, {"zipCode": "12345"}, {"address": Address("12345")}),
    (mail_handler, {"toAddress": "a@b.c"}, {"mail": {"to_address": "a@b.c"}}),
    (mixed_handler, {"orderId": 1, "dryRun": "true"}, {"order": Order(order_id=1), "dry_run": True}),
    (open_handler, {"a": 1, "b": 2}, {"options": Open(a=1, b=2)}),  # type: ignore[call-arg]
    (aliased_handler, {"OrderNumber": 1}, {"order": Aliased(OrderNumber=1)}),
    (aliased_handler, {"orderId": 1}, {"order": Aliased(OrderNumber=1)}),
]


@pytest.mark.parametrize(("handler", "inputs", "expected"), WHOLE)
def test_the_only_model_takes_the_whole_object_unless_an_input_has_its_name(
    handler: Callable[..., Any], inputs: Any, expected: Any
) -> None:
    assert bound(handler, inputs) == expected


def test_a_misspelt_input_is_named_with_the_nearest_parameter() -> None:
    def handler(message: str = "", level: str = "") -> None: ...

    assert problem(handler, {"mesage": "x"}) == "input 'mesage' is not known to the handler; did you mean 'message'?"
    assert "it takes 'level', 'message'" in problem(handler, {"xyz": 1})
    assert "did you mean 'note'?" in problem(order_handler, {"orderId": 1, "notee": "x"})


def test_every_problem_is_told_with_its_value_and_the_expression_it_came_from() -> None:
    def handler(count: int, order: Order, name: str) -> None: ...

    inputs = {"count": "many", "order": {"order_id": [1]}}
    message = problem(handler, inputs, {"count": "@triggerBody()?.n", "order": {"order_id": "@steps('a').output"}})

    assert "input 'count' should be a valid integer" in message
    assert "it was 'many' (from @triggerBody()?.n)" in message
    assert "input 'order.order_id' should be a valid integer: it was [1] (from @steps('a').output)" in message
    assert "input 'name' is missing" in message


def test_a_long_value_is_shortened() -> None:
    def handler(count: int) -> None: ...

    message = problem(handler, {"count": "x" * 100_000})

    assert "xxx..." in message
    assert len(message) < 400


def test_more_than_five_problems_are_counted() -> None:
    def handler(values: list[int]) -> None: ...

    assert problem(handler, {"values": ["x"] * 9}).endswith("; and 4 more")


def test_a_secret_is_not_told() -> None:
    def handler(password: SecretStr) -> None: ...

    assert "hunter2" not in problem(handler, {"password": ["hunter2"]})


def test_an_input_given_twice_is_refused() -> None:
    def handler(order_id: int) -> None: ...

    assert "is given twice, as 'orderId' and 'order_id'" in problem(handler, {"orderId": 1, "order_id": 2})


def test_inputs_that_are_no_object_are_refused() -> None:
    assert "[1], not an object" in problem(order_handler, [1])


def positional(a: int, /) -> None: ...
def star(*values: int) -> None: ...
def alike(order_id: int, orderid: int) -> None: ...
def odd(service: NotAType) -> None: ...
def unresolved(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (positional, "make it a keyword parameter"),
        (star, "make it a keyword parameter"),
        (alike, "cannot be told apart"),
        (odd, "ctx.service"),
        (unresolved, "'Missing' is not defined"),
    ],
)
def test_parameters_that_cannot_be_bound_are_refused_at_registration(
    handler: Callable[..., Any], expected: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"^Handler f: ") as caught:
        read_parameters(handler, "Handler f")

    assert expected in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "order", "dryRun", "note", "x"]), JSON))
def test_any_inputs_are_either_bound_or_refused(inputs: dict[str, Any]) -> None:
    def handler(order: Order, a: int = 0, dry_run: bool = False) -> None: ...

    try:
        arguments = bound(handler, inputs)
    except BindingError:
        return
    assert isinstance(arguments["order"], Order)
