"""Comparison of JSON values: strictly typed, exact, without truthiness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from floworch.core.expressions.kinds import Kind, describe, kind_of
from floworch.core.expressions.numeric import as_decimal
from floworch.core.expressions.origin import Fault
from floworch.core.model.payload import Json

__all__ = ["COMPARISONS", "equal", "require_boolean", "same_json"]

_ORDERED: Final = frozenset({Kind.NUMBER, Kind.TEXT})
_IDENTICAL_TYPES: Final = frozenset({str, int, bool})
"""Types whose own ``==`` is the right one when both sides have them."""


def equal(left: Json, right: Json, operator: str = "==") -> bool:
    """Whether two values of one kind are the same; null may be compared with everything.

    Raises :class:`~floworch.core.expressions.origin.Fault` for values of different kinds.
    """
    if type(left) is type(right) and type(left) in _IDENTICAL_TYPES:
        return bool(left == right)
    kind = kind_of(left)
    other = kind_of(right)
    if kind is not other and Kind.NULL not in (kind, other):
        raise Fault(f"'{operator}' compares values of one type, not {describe(left)} with {describe(right)}")
    return same_json(left, right)


def same_json(left: Json, right: Json) -> bool:
    """Whether two values are the same JSON: the order of members does not matter, nor does how a number is written."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        kind = kind_of(one)
        if kind is not kind_of(other) or not _same_shallow(kind, one, other, pairs):
            return False
    return True


def require_boolean(value: Json, what: str) -> bool:
    """The value itself. Raises Fault if it is not a boolean: there is no truthiness."""
    if value is True or value is False:
        return bool(value)
    raise Fault(f"{what} must be true or false, not {describe(value)}; compare it with something")


def _same_shallow(kind: Kind, one: Any, other: Any, pairs: list[tuple[Json, Json]]) -> bool:
    match kind:
        case Kind.NUMBER:
            return as_decimal(one) == as_decimal(other)
        case Kind.ARRAY:
            pairs.extend(zip(one, other, strict=False))
            return len(one) == len(other)
        case Kind.OBJECT:
            if one.keys() != other.keys():
                return False
            pairs.extend((member, other[name]) for name, member in one.items())
            return True
        case _:
            return bool(one == other)


def _ordering(operator: str, compare: Callable[[Any, Any], bool]) -> Callable[[Json, Json], bool]:
    def ordered(left: Json, right: Json) -> bool:
        if type(left) is type(right) and type(left) in (int, str):
            return compare(left, right)
        kind = kind_of(left)
        if kind is not kind_of(right) or kind not in _ORDERED:
            raise Fault(f"'{operator}' orders two numbers or two texts, not {describe(left)} and {describe(right)}")
        if kind is Kind.NUMBER:
            return compare(as_decimal(left), as_decimal(right))
        return compare(left, right)

    return ordered


COMPARISONS: Final[Mapping[str, Callable[[Json, Json], bool]]] = MappingProxyType(
    {
        "==": equal,
        "!=": lambda left, right: not equal(left, right, "!="),
        "<": _ordering("<", lambda left, right: left < right),
        "<=": _ordering("<=", lambda left, right: left <= right),
        ">": _ordering(">", lambda left, right: left > right),
        ">=": _ordering(">=", lambda left, right: left >= right),
    }
)
"""Every comparison operator. All of them raise Fault for kinds that they do not take."""
