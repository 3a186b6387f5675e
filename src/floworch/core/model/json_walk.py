"""The exact, slow JSON writer: finds the path of what cannot be stored, and writes decimals with all their digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, NoReturn, TypeAlias

from floworch.core.model.json_limits import MAX_DEPTH, MAX_DIGITS
from floworch.core.model.json_plain import NotPlain, to_plain
from floworch.errors import InvalidPayload

__all__ = ["walk"]

_Path: TypeAlias = tuple[str | int, ...]


def walk(value: Any) -> str:
    """Compact JSON text of a value. Raises :class:`~floworch.errors.InvalidPayload`."""
    return "".join(_write(value, (), ()))


def _write(value: Any, path: _Path, around: tuple[int, ...]) -> Iterator[str]:
    if value is None or value is True or value is False:
        yield _CONSTANTS[value]
    elif isinstance(value, str):
        yield _text(value, path)
    elif isinstance(value, (int, float, Decimal)):
        yield _number(value, path)
    elif isinstance(value, dict):
        yield from _object(value, path, _inside(value, path, around))
    elif isinstance(value, (list, tuple)):
        yield from _array(value, path, _inside(value, path, around))
    else:
        yield from _write(_plain(value, path), path, _inside(value, path, around, levels=0))


def _object(value: dict[Any, Any], path: _Path, around: tuple[int, ...]) -> Iterator[str]:
    yield "{"
    for position, (key, item) in enumerate(value.items()):
        if not isinstance(key, str):
            _refuse(path, f"the key {_short(key)} is {_article(key)}, not a string", f"write it as {str(key)!r:.60}")
        key_path = (*path, key)
        yield f"{',' if position else ''}{_text(key, key_path)}:"
        yield from _write(item, key_path, around)
    yield "}"


def _array(value: list[Any] | tuple[Any, ...], path: _Path, around: tuple[int, ...]) -> Iterator[str]:
    yield "["
    for position, item in enumerate(value):
        if position:
            yield ","
        yield from _write(item, (*path, position), around)
    yield "]"


def _text(value: str, path: _Path) -> str:
    text = str.__str__(value)
    if "\0" in text:
        _refuse(path, "the text contains a NUL character (\\u0000)", "remove it, or pass binary data as base64")
    if not text.isascii() and (surrogate := _SURROGATE.search(text)):
        _refuse(
            path,
            f"the text contains half of a surrogate pair (\\u{ord(surrogate[0]):04x} at position {surrogate.start()})",
            "decode the bytes it came from with errors='replace'",
        )
    return encode_basestring(text)


def _number(value: float | Decimal, path: _Path) -> str:
    if isinstance(value, int):
        return _integer(value, path)
    if not (value.is_finite() if isinstance(value, Decimal) else isfinite(value)):
        _refuse(path, f"the number is {value}", "use null for a value that is not known")
    if isinstance(value, Decimal):
        return _decimal(value, path)
    return float.__repr__(value)


def _integer(value: int, path: _Path) -> str:
    if abs(value) >= _TOO_LARGE:
        _refuse_digits(path)
    try:
        return int.__repr__(value)
    except ValueError:
        _refuse(
            path,
            "the integer has more digits than sys.get_int_max_str_digits() allows",
            "pass it as text, or raise the limit",
        )


def _decimal(value: Decimal, path: _Path) -> str:
    sign_digits_exponent = value.as_tuple()
    if len(sign_digits_exponent.digits) > MAX_DIGITS or abs(int(sign_digits_exponent.exponent)) > MAX_DIGITS:
        _refuse_digits(path)
    return str(value)


def _refuse_digits(path: _Path) -> NoReturn:
    _refuse(path, f"the number has more than {MAX_DIGITS} digits", "pass it as text")


def _plain(value: Any, path: _Path) -> Any:
    try:
        return to_plain(value)
    except NotPlain:
        _refuse(path, f"{_article(value)} is not a JSON value", _advice(value))
    except InvalidPayload:
        raise
    except Exception as error:  # a model's serializer or a property is the author's code and may raise anything
        raise InvalidPayload(f"{_where(path)}: {_article(value)} could not be serialised: {error}") from error


def _inside(value: Any, path: _Path, around: tuple[int, ...], levels: int = 1) -> tuple[int, ...]:
    if id(value) in around:
        _refuse(path, f"{_article(value)} contains itself", "pass ids instead of references that lead back")
    if len(around) + levels > 2 * MAX_DEPTH:
        _refuse_depth(path)
    if levels and len(path) >= MAX_DEPTH:
        _refuse_depth(path)
    return (*around, id(value))


def _refuse_depth(path: _Path) -> NoReturn:
    _refuse(path[:8], f"the value is nested deeper than {MAX_DEPTH} levels here", "flatten it")


def _refuse(path: _Path, problem: str, advice: str) -> NoReturn:
    raise InvalidPayload(f"{_where(path)}: {problem}; {advice}.")


def _where(path: _Path) -> str:
    return "$" + "".join(_segment(part) for part in path)


def _segment(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) else f"[{_short(part)}]"


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _article(value: Any) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _advice(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "encode it, for example as base64 text, or store it elsewhere and pass a reference"
    if hasattr(value, "__await__"):
        return "await it; a handler that awaits must be an 'async def'"
    if hasattr(value, "__next__"):
        return "turn it into a list"
    for method in ("tolist", "to_dict", "isoformat"):
        if callable(getattr(value, method, None)):
            return f"pass what its {method}() returns"
    return "pass a dict, list, string, number, dataclass or pydantic model made from it"


_CONSTANTS = {None: "null", True: "true", False: "false"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}", re.ASCII)
_TOO_LARGE = 10**MAX_DIGITS
