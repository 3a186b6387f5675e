"""Values of environment variables that must not be seen, and the marks that are shown in their place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final
from urllib.parse import quote, quote_plus

from floworch.core.model.payload import Json, Payload

__all__ = ["NO_SECRETS", "Secrets", "mark_of"]

_SHORTEST = 4
"""Shorter ones are in so many words that hiding them would tell where they are, and destroy what is around."""
_SHORTEST_INSIDE_WORDS = 8


def mark_of(name: str) -> str:
    """What is shown in place of the variable's value."""
    return f"***{name}***"


class Secrets:
    """``values`` maps names of variables to their values. Never changes; it may travel to other processes.

    A value is also found as text that programs make of it: as it is written in JSON, in Python or in a URL. One of
    fewer than 8 characters is only hidden where it stands by itself and not inside a longer word, and one of fewer than
    4 nowhere.
    """

    __slots__ = ("_marks", "_pattern", "values")

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self._marks = {form: mark_of(name) for name, value in values.items() for form in _forms(value)}
        self._pattern = _pattern_of(self._marks) if self._marks else None

    def __bool__(self) -> bool:
        return bool(self.values)

    def __reduce__(self) -> tuple[type[Secrets], tuple[dict[str, str]]]:
        return (Secrets, (self.values,))

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self.values))})"

    def hide(self, text: str) -> str:
        """The text with marks in place of the values."""
        return text if self._pattern is None else self._pattern.sub(self._mark, text)

    def hide_in(self, value: Any) -> Any:
        """The same for all texts, keys and numbers in a value. What is no JSON is only changed if its text has one."""
        if self._pattern is None:
            return value
        match value:
            case str():
                return self.hide(value)
            case Mapping():
                return {self.hide_in(key): self.hide_in(item) for key, item in value.items()}
            case list() | tuple():
                return [self.hide_in(item) for item in value]
            case bool() | None:
                return value
            case int() | float() | Decimal():
                return self._marks.get(str(value), value)
            case _:
                shown = str(value)
                hidden = self.hide(shown)
                return value if hidden == shown else hidden

    def hide_in_payload(self, payload: Payload) -> Payload:
        """The payload itself when there is nothing to hide in it."""
        if self._pattern is None:
            return payload
        hidden: Json = self.hide_in(payload.value)
        return payload if hidden == payload.value else Payload.of(hidden)

    def _mark(self, found: re.Match[str]) -> str:
        return self._marks[found[0]]


NO_SECRETS: Final = Secrets({})


def _forms(value: str) -> Iterator[str]:
    """The value and what else it may look like, longer than what would be found everywhere."""
    for bare in {value, value.strip()}:
        forms = {bare, repr(bare)[1:-1], json.dumps(bare)[1:-1], json.dumps(bare, ensure_ascii=False)[1:-1]}
        encoded = bare.encode("utf-8", "surrogateescape")
        forms |= {write(encoded) for write in (quote, partial(quote, safe=""), quote_plus)}
        yield from (form for form in forms if len(bare) >= _SHORTEST)


def _pattern_of(forms: Mapping[str, str]) -> re.Pattern[str]:
    """Longest first: one value may be part of another."""
    return re.compile("|".join(_found_as(form) for form in sorted(forms, key=len, reverse=True)))


def _found_as(form: str) -> str:
    pattern = re.escape(form)
    return pattern if len(form) >= _SHORTEST_INSIDE_WORDS else rf"(?<!\w){pattern}(?!\w)"
