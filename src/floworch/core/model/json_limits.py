"""What a JSON document may be, told from its text alone and at C speed."""

from __future__ import annotations

import sys

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "ints_are_limited", "is_too_deep"]

MAX_DEPTH = 64
"""Levels of lists and objects around each other."""

MAX_DIGITS = 4300
"""Digits of a number written out without an exponent. It is Python's own default for integers, because reading longer
ones takes quadratic time."""

_SQUARE = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")


def is_too_deep(text: str) -> bool:
    """Whether the document is nested deeper than :data:`MAX_DEPTH`. ``text`` must be well-formed JSON."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _brackets_outside_strings(text)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def ints_are_limited() -> bool:
    """Whether the interpreter itself refuses integers of more than :data:`MAX_DIGITS` digits."""
    return 0 < sys.get_int_max_str_digits() <= MAX_DIGITS


def _brackets_outside_strings(text: str) -> bytes:
    without_escapes = text.replace("\\\\", "").replace('\\"', "")
    outside = "".join(without_escapes.split('"')[::2])
    return outside.encode("utf-8", "replace").translate(_SQUARE, _NOT_BRACKETS)
