"""Quoted text inside expressions: reading and writing it."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from floworch.core.expressions.origin import Origin

__all__ = ["quote", "read_string"]

_ESCAPES: Final = MappingProxyType({"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"})
_PLAIN: Final = MappingProxyType({"'": re.compile(r"[^'\\]*"), '"': re.compile(r'[^"\\]*')})
_UNICODE = re.compile(r"u([0-9a-fA-F]{4})")
_NEEDS_ESCAPE = re.compile(r"[\\'\n\r\t]")
_WRITTEN: Final = MappingProxyType({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def read_string(origin: Origin, start: int) -> tuple[str, int]:
    """The text that the quote at ``start`` opens, and the offset behind its closing quote.

    Both ``\\'`` and a doubled quote stand for the quote itself.
    """
    text, mark = origin.text, origin.text[start]
    chunks: list[str] = []
    position = start + 1
    while match := _PLAIN[mark].match(text, position):
        chunks.append(match.group())
        position = match.end()
        if position >= len(text):
            break
        if text[position] == "\\":
            chunk, position = _read_escape(origin, position)
            chunks.append(chunk)
        elif text.startswith(mark, position + 1):
            chunks.append(mark)
            position += 2
        else:
            return _joined(origin, chunks, start), position + 1
    raise origin.error(f"the text that starts here is never closed by {mark}", start)


def quote(text: str) -> str:
    """The text as an expression writes it, in single quotes."""
    return "'" + _NEEDS_ESCAPE.sub(lambda match: _WRITTEN[match.group()], text) + "'"


def _read_escape(origin: Origin, position: int) -> tuple[str, int]:
    following = origin.text[position + 1 : position + 2]
    if following in _ESCAPES:
        return _ESCAPES[following], position + 2
    if match := _UNICODE.match(origin.text, position + 1):
        return chr(int(match.group(1), 16)), match.end()
    raise origin.error(
        f"unknown escape '\\{following}' in quoted text; known are \\\\ \\' \\\" \\n \\r \\t \\uXXXX", position
    )


def _joined(origin: Origin, chunks: list[str], start: int) -> str:
    # An astral character may be written as two \\u escapes; half of such a pair is no character.
    text = "".join(chunks)
    if text.isascii():
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise origin.error("the quoted text holds half of a surrogate pair, which is not a character", start) from None
