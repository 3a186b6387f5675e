"""Cuts the text of an expression into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from floworch.core.expressions.limits import MAX_EXPRESSION_CHARS
from floworch.core.expressions.numeric import parse_number
from floworch.core.expressions.origin import Fault, Origin
from floworch.core.expressions.strings import read_string
from floworch.core.model.payload import Json

__all__ = ["Token", "TokenKind", "tokenize"]


class TokenKind(Enum):
    NAME = auto()
    NUMBER = auto()
    STRING = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """``text`` is as written; ``value`` is that of a number or string. ``end`` is exclusive."""

    kind: TokenKind
    text: str
    start: int
    end: int
    value: Json = None


_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"(?:[^\W\d]|\$)(?:[\w$]|-(?=[\w$]))*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_TAIL = re.compile(r"[\w.$]*")
_SYMBOL = re.compile(r"\?\.|\?\[|==|!=|<=|>=|&&|\|\||[()\[\],.<>!@]")
_HINTS: Final = (
    ("=", "a comparison is written =="),
    ("&", "'and' is written &&"),
    ("|", "'or' is written ||"),
    ("?", "a question mark stands only before . or [, as in ?.name"),
    ("+-*/%^", "there is no arithmetic in expressions"),
    ("‘’“”`", "text is put in straight quotes ' or \""),
    ("{}", "braces stand only around @{...} inside a text"),
)


def tokenize(origin: Origin, start: int = 0, *, embedded: bool = False) -> list[Token]:
    """The tokens from offset ``start`` on, closed by an END token.

    An embedded expression ends at the first ``}`` outside of quotes, where its END token stands; otherwise it ends with
    the text. Raises :class:`~floworch.errors.ExpressionError`.
    """
    text = origin.text
    if not embedded:
        _check_length(origin, start, len(text))
    tokens: list[Token] = []
    position = _skip_space(text, start)
    while position < len(text):
        if embedded and text[position] == "}":
            _check_length(origin, start, position)
            return [*tokens, Token(TokenKind.END, "}", position, position + 1)]
        token = _read_token(origin, position)
        tokens.append(token)
        position = _skip_space(text, token.end)
    if embedded:
        raise origin.error("the '@{' is never closed by '}'; if it is meant as text, write '@@{'", start - 2)
    return [*tokens, Token(TokenKind.END, "", len(text), len(text))]


def _read_token(origin: Origin, start: int) -> Token:
    text = origin.text
    if match := _NAME.match(text, start):
        return Token(TokenKind.NAME, match.group(), start, match.end())
    if match := _NUMBER.match(text, start):
        return _number(origin, start, match.end())
    if text[start] in "'\"":
        value, end = read_string(origin, start)
        return Token(TokenKind.STRING, text[start:end], start, end, value)
    if match := _SYMBOL.match(text, start):
        return _symbol(origin, match.group(), start)
    raise origin.error(_unexpected(text[start]), start)


def _number(origin: Origin, start: int, end: int) -> Token:
    tail = _NUMBER_TAIL.match(origin.text, end)
    whole_end = tail.end() if tail else end
    text = origin.text[start:whole_end]
    if whole_end > end:
        raise origin.error(f"'{text[:40]}' is not a number; numbers look like 12, -3.5 or 1e6", start)
    try:
        return Token(TokenKind.NUMBER, text, start, end, parse_number(text))
    except Fault as fault:
        raise origin.error(fault.reason, start) from None


def _symbol(origin: Origin, symbol: str, start: int) -> Token:
    if symbol == "@" and origin.text.startswith("@@", start):
        raise origin.error("inside an expression a reference has one @, not two", start)
    return Token(TokenKind.SYMBOL, symbol, start, start + len(symbol))


def _unexpected(character: str) -> str:
    hint = next((f"; {hint}" for characters, hint in _HINTS if character in characters), "")
    return f"unexpected character {character!r}{hint}"


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _check_length(origin: Origin, start: int, end: int) -> None:
    if end - start > MAX_EXPRESSION_CHARS:
        raise origin.error(
            f"the expression has {end - start:,} characters; at most {MAX_EXPRESSION_CHARS:,} are allowed", start
        )
