"""Python values → JSON text, with one set of rules for everything that floworch stores.

The C encoder of the standard library writes the text; cheap checks on the text find what it lets through. Whatever
looks suspicious is written again by :mod:`floworch.core.model.json_walk`, which is slow, exact, and says where the
mistake is.
"""

from __future__ import annotations

import json
import re
from typing import Any

from floworch.core.model.json_limits import MAX_DEPTH, MAX_DIGITS, ints_are_limited, is_too_deep
from floworch.core.model.json_plain import to_plain
from floworch.core.model.json_walk import walk

__all__ = ["encode"]


def encode(value: Any) -> str:
    """Compact JSON text of a value. Raises :class:`~floworch.errors.InvalidPayload` with the path to what cannot be
    stored."""
    try:
        text = _ENCODER.encode(value)
    except Exception:  # noqa: BLE001  (serialisers of models are the author's code; the walk says where it failed)
        return walk(value)
    return walk(value) if _is_suspicious(text) else text


def _is_suspicious(text: str) -> bool:
    return (
        "\\u0000" in text
        or _KEY_OF_ANOTHER_TYPE.search(text) is not None
        or (len(text) > MAX_DEPTH and is_too_deep(text))
        or (len(text) > MAX_DIGITS and not ints_are_limited())
        or not (text.isascii() or _is_unicode(text))
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# The C encoder silently turns keys such as 1, True and None into text, which would not come back as it was.
_KEY_OF_ANOTHER_TYPE = re.compile(r'"(?:-?[0-9][^"\\]*|true|false|null)":')

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=to_plain
)
