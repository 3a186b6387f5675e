"""Checks of the values that functions are called with."""

from __future__ import annotations

from collections.abc import Sequence

from floworch.core.expressions.kinds import Kind, describe, kind_of
from floworch.core.expressions.numeric import Number, whole_number
from floworch.core.expressions.origin import Fault
from floworch.core.model.payload import Json

__all__ = ["require_array", "require_number", "require_text", "require_whole_number", "wrong_kind"]


def require_text(value: Json, usage: str, argument: int = 0) -> str:
    """The value as text. Raises :class:`~floworch.core.expressions.origin.Fault` naming the function's ``usage``."""
    if isinstance(value, str):
        return value
    raise wrong_kind("text", value, usage, argument)


def require_array(value: Json, usage: str, argument: int = 0) -> Sequence[Json]:
    """The value as a list; see :func:`require_text`."""
    if isinstance(value, list | tuple):
        return value
    raise wrong_kind("an array", value, usage, argument)


def require_number(value: Json, usage: str, argument: int = 0) -> Number:
    """The value as a number; see :func:`require_text`."""
    if kind_of(value) is Kind.NUMBER:
        number: Number = value
        return number
    raise wrong_kind("a number", value, usage, argument)


def require_whole_number(value: Json, usage: str, argument: int = 0) -> int:
    """The value as an int, also when it is written with a fraction of zero; see :func:`require_text`."""
    try:
        return whole_number(require_number(value, usage, argument))
    except Fault as fault:
        raise Fault(f"{usage}: {fault.reason}" if fault.argument is None else fault.reason, argument) from None


def wrong_kind(expected: str, value: Json, usage: str, argument: int = 0) -> Fault:
    """The fault for an argument of the wrong kind."""
    hint = "; use coalesce() to give a value for null" if value is None else ""
    return Fault(f"{usage} takes {expected} here, not {describe(value)}{hint}", argument)
