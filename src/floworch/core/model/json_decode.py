"""JSON text → Python values. Numbers keep their exact value."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from floworch.core.model.json_limits import MAX_DEPTH, MAX_DIGITS, ints_are_limited, is_too_deep
from floworch.errors import InvalidPayload

__all__ = ["decode", "decode_untrusted"]


def decode(text: str) -> Any:
    """Value of JSON text that floworch wrote itself."""
    return _DECODER.decode(text)


def decode_untrusted(text: str | bytes) -> Any:
    """Value of JSON text from outside. Raises :class:`~floworch.errors.InvalidPayload` for what is not JSON, is too
    deep, or has numbers of too many digits. Lone surrogates and NUL characters are left to the encoder to find."""
    if isinstance(text, bytes):
        text = _as_text(text)
    try:
        value = (_DECODER if ints_are_limited() else _CAREFUL_DECODER).decode(text)
    except json.JSONDecodeError as error:
        raise InvalidPayload(
            f"The text is not JSON: {error.msg} at line {error.lineno}, column {error.colno}{_around(text, error.pos)}."
        ) from error
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise _too_many_digits() from error
    if is_too_deep(text):
        raise _too_deep()
    return value


def _as_text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidPayload(
            f"The text is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}. Encode JSON as UTF-8."
        ) from error


def _around(text: str, position: int) -> str:
    near = text[position : position + 20]
    return f", before {near!r}" if near else ", where the text ends"


def _too_deep() -> InvalidPayload:
    return InvalidPayload(f"The document is nested deeper than {MAX_DEPTH} levels. Flatten it.")


def _too_many_digits() -> InvalidPayload:
    return InvalidPayload(f"A number in the text has more than {MAX_DIGITS} digits. Send it as a string.")


def _number(text: str) -> float | Decimal:
    number = float(text)
    shortest = repr(number)
    if shortest == text:
        return number
    exact = _decimal(text)
    return number if exact == Decimal(shortest) else exact


_NUMBER = re.compile(r"-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")


def _decimal(text: str) -> Decimal:
    match = _NUMBER.fullmatch(text)
    assert match is not None, text
    whole, fraction, exponent = match[1], match[2] or "", match[3] or "0"
    if len(whole) + len(fraction) > MAX_DIGITS or len(exponent) > 6 or abs(int(exponent)) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    return Decimal(text)


def _short_integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"an integer of more than {MAX_DIGITS} digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not a JSON value", name, 0)


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_refuse_constant)
_CAREFUL_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_short_integer, parse_constant=_refuse_constant)
