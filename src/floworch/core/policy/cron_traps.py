"""Cron expressions that croniter accepts and reads in another way than whoever has written them."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["cron_trap"]

_FIELDS = ((0, 60), (0, 24), (1, 31), (1, 12), (0, 7), (0, 60))
"""The lowest value of each field, and how many there are."""
_RANGE = re.compile(r"(\w+)-(\w+)(/\w+)?")
_STEP = re.compile(r"\*/(\d+)")
_ANY = ("*", "?")
_ORDINAL = re.compile(r"#|[lL]\d")
_NEAREST = re.compile(r"\d+[wW]|[wW]\d+")


def cron_trap(expression: str) -> str | None:
    """What is wrong with an expression of five or six fields; None when nothing is.

    croniter takes a range of one value for all values of the field, a step beyond the end of the field for its lowest
    value. A nearest weekday (``15W``) or an ordinal one (``MON#1``, ``L5``) it takes for all there is, or gets lost.
    """
    return next(_traps(expression.split()), None)


def _traps(fields: list[str]) -> Iterator[str]:
    for field, (lowest, count) in zip(fields, _FIELDS, strict=False):
        for part in field.split(","):
            if (span := _RANGE.fullmatch(part)) and _value(span[1]) == _value(span[2]):
                written = f"{span[1]}-{span[2]}"
                yield f"the range {written!r} is one value; write {span[1]}, or * for all."
            if (step := _STEP.fullmatch(part)) and int(step[1]) > count:
                yield f"the step of {part!r} is longer than the field, so only {lowest} would be left; write {lowest}."
    day, weekday = fields[2], fields[4]
    has_both = day not in _ANY and weekday not in _ANY
    if has_both and (_NEAREST.fullmatch(day) or _ORDINAL.search(weekday)):
        yield f"{day!r} and {weekday!r} cannot be combined."


def _value(text: str) -> str:
    return text.lstrip("0") or "0" if text.isdigit() else text.casefold()
