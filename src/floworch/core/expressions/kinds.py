"""The six kinds of JSON values, and how values are written as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeGuard

from floworch.core.expressions.numeric import Number, number_text
from floworch.core.expressions.origin import Fault
from floworch.core.expressions.strings import quote
from floworch.core.model.payload import Json

__all__ = ["Kind", "describe", "is_number", "json_text", "kind_of", "preview", "text_of"]

_PREVIEW_CHARS: Final = 40


class Kind(StrEnum):
    """Kind of a JSON value, in the words that error messages use."""

    NULL = "null"
    BOOLEAN = "a boolean"
    NUMBER = "a number"
    TEXT = "text"
    ARRAY = "an array"
    OBJECT = "an object"


_KINDS: Final[Mapping[type, Kind]] = MappingProxyType(
    {
        type(None): Kind.NULL,
        bool: Kind.BOOLEAN,
        int: Kind.NUMBER,
        float: Kind.NUMBER,
        Decimal: Kind.NUMBER,
        str: Kind.TEXT,
        list: Kind.ARRAY,
        tuple: Kind.ARRAY,
        dict: Kind.OBJECT,
    }
)

_CONTAINERS: Final = frozenset({Kind.ARRAY, Kind.OBJECT})


def kind_of(value: Json) -> Kind:
    """Kind of the value. Raises :class:`~floworch.core.expressions.origin.Fault` for what JSON does not have."""
    kind = _KINDS.get(type(value))
    return kind if kind is not None else _kind_of_subclass(value)


def is_number(value: Json) -> TypeGuard[Number]:
    """Whether the value is a number; booleans are not."""
    return kind_of(value) is Kind.NUMBER


def text_of(value: Json) -> str:
    """The value inside a text: null is empty, text stays as it is, containers become compact JSON."""
    if isinstance(value, str):
        return str(value)
    return "" if value is None else json_text(value)


def json_text(value: Json, limit: int | None = None) -> str:
    """The value as compact JSON with numbers in their shortest exact form.

    With a ``limit`` writing stops soon after that many characters, so that the text may be cut off in the middle.
    """
    kind = kind_of(value)
    if kind not in _CONTAINERS:
        return _scalar_text(kind, value)
    chunks: list[str] = []
    length = 0
    for chunk in _container_chunks(kind, value):
        chunks.append(chunk)
        length += len(chunk)
        if limit is not None and length > limit:
            break
    return "".join(chunks)


def preview(value: Json, limit: int = _PREVIEW_CHARS) -> str:
    """The value for people: as an expression would write it, cut to ``limit`` characters. Never raises."""
    try:
        text = quote(value[: limit + 1]) if isinstance(value, str) else json_text(value, limit)
    except Fault:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else f"{text[:limit]}…"


def describe(value: Json) -> str:
    """Kind and preview of the value: ``a number (5)``, ``null``."""
    kind = kind_of(value)
    return str(kind) if kind is Kind.NULL else f"{kind} ({preview(value)})"


def _kind_of_subclass(value: Json) -> Kind:
    for base, kind in _KINDS.items():
        if isinstance(value, base):
            return kind
    if isinstance(value, Mapping):
        return Kind.OBJECT
    raise Fault(f"{type(value).__name__} is not a JSON type")


def _scalar_text(kind: Kind, value: Json) -> str:
    match kind:
        case Kind.NUMBER:
            return number_text(value)
        case Kind.TEXT:
            return json.dumps(str(value), ensure_ascii=False)
        case Kind.BOOLEAN:
            return "true" if value else "false"
        case _:
            return "null"


def _container_chunks(kind: Kind, value: Json) -> Iterator[str]:
    # A stack of iterators instead of recursion: payloads may be nested deeper than the interpreter likes.
    stack = [_steps(kind, value)]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
        elif isinstance(step, str):
            yield step
        elif (kind := kind_of(step[0])) in _CONTAINERS:
            stack.append(_steps(kind, step[0]))
        else:
            yield _scalar_text(kind, step[0])


def _steps(kind: Kind, value: Json) -> Iterator[str | tuple[Json]]:
    return _array_steps(value) if kind is Kind.ARRAY else _object_steps(value)


def _array_steps(items: list[Json]) -> Iterator[str | tuple[Json]]:
    separator = "["
    for item in items:
        yield separator
        yield (item,)
        separator = ","
    yield "[]" if separator == "[" else "]"


def _object_steps(members: Mapping[str, Json]) -> Iterator[str | tuple[Json]]:
    separator = "{"
    for name, member in members.items():
        yield f"{separator}{json.dumps(str(name), ensure_ascii=False)}:"
        yield (member,)
        separator = ","
    yield "{}" if separator == "{" else "}"
