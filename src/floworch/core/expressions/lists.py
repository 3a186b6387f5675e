"""Functions on arrays, and on whatever else has parts."""

from __future__ import annotations

from typing import Any

from floworch.core.expressions.arguments import require_array, require_text, require_whole_number, wrong_kind
from floworch.core.expressions.kinds import Kind, kind_of, text_of
from floworch.core.expressions.limits import MAX_RANGE_ITEMS
from floworch.core.expressions.operators import same_json
from floworch.core.expressions.origin import Fault
from floworch.core.model.payload import Json

__all__ = ["contains", "count_up", "first", "join", "last", "length"]


def length(value: Json) -> int:
    """Number of characters, items or members."""
    if kind_of(value) in (Kind.TEXT, Kind.ARRAY, Kind.OBJECT):
        return len(value)
    raise wrong_kind("text, an array or an object", value, "length(value)")


def contains(value: Json, part: Json) -> bool:
    """Whether a text has the part in it, an array an item that equals it, or an object a member of that name."""
    usage = "contains(value, part)"
    match kind_of(value):
        case Kind.ARRAY:
            return any(same_json(item, part) for item in value)
        case Kind.TEXT | Kind.OBJECT:
            return require_text(part, usage, 1) in value
        case _:
            raise wrong_kind("text, an array or an object", value, usage)


def first(value: Json) -> Json:
    """First item or character; null when there is none."""
    parts = _ordered_parts(value, "first(value)")
    return parts[0] if parts else None


def last(value: Json) -> Json:
    """Last item or character; null when there is none."""
    parts = _ordered_parts(value, "last(value)")
    return parts[-1] if parts else None


def join(array: Json, separator: Json) -> str:
    """The items as text with the separator between them."""
    usage = "join(array, separator)"
    mark = require_text(separator, usage, 1)
    return mark.join(map(text_of, require_array(array, usage)))


def count_up(start: Json, count: Json) -> list[int]:
    """``count`` whole numbers from ``start`` on."""
    usage = "range(start, count)"
    first_number = require_whole_number(start, usage)
    amount = require_whole_number(count, usage, 1)
    if not 0 <= amount <= MAX_RANGE_ITEMS:
        raise Fault(f"{usage} makes 0 to {MAX_RANGE_ITEMS:,} numbers, not {text_of(amount)}", 1)
    return list(range(first_number, first_number + amount))


def _ordered_parts(value: Json, usage: str) -> Any:
    if kind_of(value) in (Kind.TEXT, Kind.ARRAY):
        return value
    raise wrong_kind("an array or text", value, usage)
