"""Bounds that keep hostile or generated expressions from exhausting the process."""

from __future__ import annotations

from typing import Final

__all__ = [
    "MAX_EXPRESSION_CHARS",
    "MAX_EXPRESSION_LEVELS",
    "MAX_JSON_LEVELS",
    "MAX_NUMBER_DIGITS",
    "MAX_RANGE_ITEMS",
    "MAX_VALUE_LEVELS",
]

MAX_EXPRESSION_CHARS: Final = 32_768
"""Length of one expression; text around ``@{...}`` does not count."""

MAX_EXPRESSION_LEVELS: Final = 100
"""Nested calls, parentheses and negations. The parser needs six Python frames for one."""

MAX_VALUE_LEVELS: Final = 100
"""Nested containers in a value that holds expressions."""

MAX_JSON_LEVELS: Final = 64
"""Nested containers in what ``json()`` reads: no more than a payload may have."""

MAX_NUMBER_DIGITS: Final = 4_000
"""Digits of a whole number; Python refuses to print more than 4,300."""

MAX_RANGE_ITEMS: Final = 100_000
"""Items that ``range()`` may make."""
