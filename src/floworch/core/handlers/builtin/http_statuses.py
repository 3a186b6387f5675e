"""Which statuses of an answer a step expects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["SUCCESS", "is_among", "statuses_of"]

SUCCESS: Final[Sequence[range]] = (range(200, 300),)
_CLASS: Final = re.compile(r"([1-5])xx", re.IGNORECASE)
_RANGE: Final = re.compile(r"(\d{3})(?:\s*-\s*(\d{3}))?")


def statuses_of(value: Any) -> Sequence[range]:
    """Ranges from a status, ``"2xx"``, ``"200-204"``, or a list of those. Raises ``ValueError``."""
    words = value if isinstance(value, list | tuple) else [value]
    if not words:
        raise ValueError("names no status; leave it out to expect 200 to 299")
    return tuple(_range_of(word) for word in words)


def is_among(status: int, expected: Sequence[range]) -> bool:
    return any(status in each for each in expected)


def _range_of(word: Any) -> range:
    if isinstance(word, range):
        return word
    text = str(word).strip() if isinstance(word, int | str) and not isinstance(word, bool) else ""
    if found := _CLASS.fullmatch(text):
        first = int(found[1]) * 100
        return range(first, first + 100)
    if found := _RANGE.fullmatch(text):
        first, last = int(found[1]), int(found[2] or found[1])
        if 100 <= first <= last <= 599:
            return range(first, last + 1)
    raise ValueError(f"{word!r} is no status; write 201, '2xx', '200-204' or a list of those")
