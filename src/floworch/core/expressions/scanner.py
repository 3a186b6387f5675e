"""Decides what a text of a manifest is: plain, one expression, or plain text around ``@{...}``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from floworch.core.expressions.functions import FUNCTIONS
from floworch.core.expressions.origin import Origin
from floworch.core.expressions.parser import parse, parse_embedded
from floworch.core.expressions.sources import ROOTS
from floworch.core.expressions.syntax import Node
from floworch.errors import ExpressionError

__all__ = ["Embedded", "Part", "Text", "Whole", "scan"]

_OPENING = re.compile(r"@?@\{")
_FIRST_WORD = re.compile(r"@(?:\s|([^\W\d]\w*)\s*(\(?))")


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text with its escapes undone."""

    text: str


@dataclass(frozen=True, slots=True)
class Whole:
    """The text is one expression, and keeps the type of its value."""

    node: Node
    start: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """An expression whose value becomes part of the text, or what is wrong with it. ``start`` is behind the ``@{``."""

    node: Node | ExpressionError
    start: int


Part: TypeAlias = Text | Whole | Embedded


def scan(origin: Origin) -> list[Part]:
    """The parts of a text in order: one :class:`Whole`, or any mix of the others.

    Raises :class:`~floworch.errors.ExpressionError` for a whole expression; other mistakes are in the parts.
    """
    text = origin.text
    stripped = text.strip()
    start = len(text) - len(text.lstrip())
    if stripped.startswith("@@"):
        return _mixed(origin, text[:start] + "@", start + 2)
    if stripped.startswith("@") and stripped != "@" and not stripped.startswith("@{"):
        return [_whole(origin, start)]
    return _mixed(origin, "", 0)


def _whole(origin: Origin, start: int) -> Whole:
    try:
        return Whole(parse(origin, start), start)
    except ExpressionError as error:
        if not _looks_like_prose(origin.text, start):
            raise
        raise ExpressionError(
            f"{error.reason} (a text that starts with @ is an expression; for plain text write @@ there)",
            error.expression,
            error.position,
        ) from None


def _looks_like_prose(text: str, start: int) -> bool:
    match = _FIRST_WORD.match(text, start)
    return match is not None and not (match.group(2) and match.group(1).lower() in ROOTS.keys() | FUNCTIONS.keys())


def _mixed(origin: Origin, plain: str, position: int) -> list[Part]:
    text = origin.text
    parts: list[Part] = []
    while opening := _OPENING.search(text, position):
        plain += text[position : opening.start()]
        position = opening.end()
        if opening.group() == "@@{":
            plain += "@{"
            continue
        start = position
        node, position = parse_embedded(origin, start)
        parts += [Text(plain), Embedded(node, start)] if plain else [Embedded(node, start)]
        plain = ""
    plain += text[position:]
    return [*parts, Text(plain)] if plain or not parts else parts
