"""Functions that turn a value of one kind into another."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import NoReturn

from floworch.core.expressions.arguments import require_number, require_text, wrong_kind
from floworch.core.expressions.kinds import describe, is_number, text_of
from floworch.core.expressions.limits import MAX_JSON_LEVELS
from floworch.core.expressions.numeric import Number, as_decimal, narrow, parse_number, whole_number
from floworch.core.expressions.origin import Fault
from floworch.core.model.payload import Json

__all__ = ["from_json", "to_float", "to_int", "to_string"]


def to_int(value: Json) -> int:
    """The whole number that a text or number is. Nothing is rounded away."""
    number = _number(value, "int(value)")
    try:
        return whole_number(number)
    except Fault as fault:
        raise Fault(f"int(value): {fault.reason}", 0) from None


def to_float(value: Json) -> float | Decimal:
    """The number that a text or number is, exactly: a float, or a Decimal where a float would lose digits."""
    return narrow(as_decimal(_number(value, "float(value)")))


def to_string(value: Json) -> str:
    """The value as text, with the rules of ``@{...}``."""
    return text_of(value)


def from_json(text: Json) -> Json:
    """The value that a JSON text writes, with its numbers exact."""
    source = require_text(text, "json(text)")
    try:
        value = json.loads(source, parse_float=parse_number, parse_int=parse_number, parse_constant=_refuse)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise Fault(f"json(text): {error.msg} at character {error.pos} of {describe(source)}", 0) from None
    except Fault as fault:
        raise Fault(f"json(text): {fault.reason}", 0) from None
    _check_levels(value)
    return value


def _number(value: Json, usage: str) -> Number:
    if is_number(value):
        return require_number(value, usage)
    if not isinstance(value, str):
        raise wrong_kind("a number or the text of one", value, usage)
    try:
        return parse_number(value.strip())
    except Fault as fault:
        raise Fault(f"{usage} takes a number or the text of one, not {describe(value)}: {fault.reason}", 0) from None


def _refuse(constant: str) -> NoReturn:
    raise Fault(f"{constant} is not JSON")


def _check_levels(value: Json) -> None:
    layer = [value]
    for _ in range(MAX_JSON_LEVELS + 1):
        layer = [child for parent in layer for child in _children(parent)]
        if not layer:
            return
    raise _too_deep()


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep() -> Fault:
    return Fault(f"json(text): the text is nested deeper than {MAX_JSON_LEVELS} levels", 0)
