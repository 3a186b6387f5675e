"""Numbers as expressions see them: decimal, exact, of any size."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from floworch.core.expressions.limits import MAX_NUMBER_DIGITS
from floworch.core.expressions.origin import Fault

__all__ = ["Number", "as_decimal", "narrow", "number_text", "parse_number", "whole_number"]

Number: TypeAlias = int | float | Decimal

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PLAIN_EXPONENTS = range(-7, 21)
"""Decimal exponents of the first digit that are written without ``e``, as JavaScript does."""


def parse_number(text: str) -> Number:
    """The number that ``text`` writes: an int without fraction and exponent, else see :func:`narrow`.

    Raises :class:`~floworch.core.expressions.origin.Fault` if it is none, or too long.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise Fault("this is not a number")
    if len(text) > MAX_NUMBER_DIGITS:
        raise Fault(f"a number may have at most {MAX_NUMBER_DIGITS} digits, this one has {len(text)}")
    if match.group(1) is None and match.group(2) is None:
        return int(text)
    return narrow(_decimal(text))


def narrow(exact: Decimal) -> float | Decimal:
    """A float when it writes the very same number, else the Decimal itself: no digit is lost."""
    try:
        nearest = float(exact)
    except OverflowError:
        return exact
    if math.isfinite(nearest) and Decimal(repr(nearest)) == exact:
        return nearest
    return exact


def as_decimal(number: Number) -> Decimal:
    """The number as it is written: the float 0.1 is exactly one tenth. Raises Fault for NaN and infinities."""
    exact = Decimal(float.__repr__(number)) if isinstance(number, float) else Decimal(number)
    if not exact.is_finite():
        raise Fault(f"{exact} is not a number that JSON knows")
    return exact


def whole_number(number: Number) -> int:
    """The number as an int. Raises Fault when it has a fraction or too many digits."""
    if isinstance(number, int):
        return int(number)
    exact = as_decimal(number)
    if exact.adjusted() >= MAX_NUMBER_DIGITS:
        raise Fault(f"the number has more than {MAX_NUMBER_DIGITS} digits")
    if exact != exact.to_integral_value():
        raise Fault(f"{number_text(number)} is not a whole number")
    return int(exact)


def number_text(number: Number) -> str:
    """The shortest decimal that is exactly this number: ``3`` for 3.0, ``0.1`` for 0.1, ``1e+30`` for 1e30."""
    if isinstance(number, int):
        if number.bit_length() > MAX_NUMBER_DIGITS * 3:
            return _int_text(number)
        return int.__str__(number)
    sign, digits, exponent = as_decimal(number).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    shortest = text.rstrip("0")
    if not shortest:
        return "0"
    exponent += len(text) - len(shortest)
    return ("-" if sign else "") + _digits_text(shortest, exponent)


def _digits_text(digits: str, exponent: int) -> str:
    first = exponent + len(digits) - 1
    if first not in _PLAIN_EXPONENTS:
        return f"{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{first:+d}"
    if exponent >= 0:
        return digits + "0" * exponent
    if first >= 0:
        return f"{digits[: first + 1]}.{digits[first + 1 :]}"
    return f"0.{'0' * (-first - 1)}{digits}"


def _int_text(number: int) -> str:
    try:
        return str(number)
    except ValueError:
        raise Fault(f"the number has more than {MAX_NUMBER_DIGITS} digits") from None


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Fault("the exponent of the number is too large") from None
