"""Cron expressions in plain words, for people who look at a list of schedules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

__all__ = ["CRON_NAMES", "describe_cron"]

CRON_NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""What stands for what."""
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")
_DAY_NUMBERS = {name[:3].lower(): number for number, name in enumerate(_DAYS[:7])}
_MONTH_NUMBERS = {name[:3].lower(): number for number, name in enumerate(_MONTHS) if name}
_MOST_TIMES = 6
_STEP = re.compile(r"\*/(\d+)")
_NEAREST = re.compile(r"(\d+)w|w(\d+)")


def describe_cron(expression: str) -> str:
    """A good expression in words, such as ``every day at 02:30``."""
    fields = CRON_NAMES.get(expression.strip().lower(), expression).lower().split()
    minute, hour, day, month, weekday, *second = fields
    words = [_times(second[0] if second else "0", minute, hour), *_days(day, weekday)]
    if month not in ("*", "?"):
        words.append(f"in {_months(month)}")
    if len(words) == 1 and words[0].startswith("at ") and _is_time_of_day(minute, hour):
        words.insert(0, "every day")
    elif words[0].startswith("at ") and len(words) > 1:
        words.append(words.pop(0))
    return " ".join(words)


def _times(second: str, minute: str, hour: str) -> str:
    if second.isdigit() and minute.isdigit() and hour.isdigit():
        past = f":{int(second):02}" if int(second) else ""
        return f"at {int(hour):02}:{int(minute):02}{past}"
    if second != "0":
        return f"{_every(second, 'second')}{_within(minute, 'minute')}{_within(hour, 'hour')}"
    if minute.isdigit() and (hour.isdigit() or _is_short_list(hour)):
        return f"at {_joined([f'{int(each):02}:{int(minute):02}' for each in hour.split(',')])}"
    if minute.isdigit():
        past = "on the hour" if int(minute) == 0 else f"at minute {int(minute)}"
        return f"{past}, {_every(hour, 'hour')}"
    return f"{_every(minute, 'minute')}{_within(hour, 'hour')}"


def _every(field: str, unit: str) -> str:
    if field == "*":
        return f"every {unit}"
    if step := _STEP.fullmatch(field):
        return f"every {step[1]} {unit}s" if step[1] != "1" else f"every {unit}"
    return f"at {unit} {_list(field, {}, ())}"


def _within(field: str, unit: str) -> str:
    if field == "*":
        return ""
    if step := _STEP.fullmatch(field):
        return f" of every {step[1]} {unit}s"
    return f" of {unit} {_list(field, {}, ())}"


def _days(day: str, weekday: str) -> list[str]:
    of_month = [] if day in ("*", "?") else [f"on {_days_of_month(day)} of the month"]
    if weekday in ("*", "?"):
        return of_month
    if not of_month:
        return [f"on {_weekdays(weekday)}"]
    return [*of_month, f"or on {_weekdays(weekday)}"]


def _days_of_month(field: str) -> str:
    if step := _STEP.fullmatch(field):
        return f"every {_ordinal(int(step[1]))} day"
    if nearest := _NEAREST.fullmatch(field):
        return f"the weekday nearest to day {nearest[1] or nearest[2]}"
    return _list(field, {}, ()) if field == "l" else f"day {_list(field, {}, ())}"


def _months(field: str) -> str:
    if step := _STEP.fullmatch(field):
        return f"every {_ordinal(int(step[1]))} month"
    return _list(field, _MONTH_NUMBERS, _MONTHS)


def _weekdays(field: str) -> str:
    if field in ("1-5", "mon-fri"):
        return "Monday to Friday"
    if step := _STEP.fullmatch(field):
        return f"every {_ordinal(int(step[1]))} day of the week from Sunday"
    return _joined([_weekday(part) for part in field.split(",")])


def _weekday(part: str) -> str:
    name, hash_, nth = part.partition("#")
    if hash_ and nth.isdigit() and 0 < int(nth) < len(_ORDINALS):
        return f"the {_ORDINALS[int(nth)]} {_list(name, _DAY_NUMBERS, _DAYS)}"
    if part.startswith("l") and part[1:]:
        return f"the last {_list(part[1:], _DAY_NUMBERS, _DAYS)}"
    return _list(part, _DAY_NUMBERS, _DAYS)


def _list(field: str, numbers: Mapping[str, int], names: Sequence[str]) -> str:
    return _joined([_span(part, numbers, names) for part in field.split(",")])


def _span(part: str, numbers: Mapping[str, int], names: Sequence[str]) -> str:
    span, _, step = part.partition("/")
    if span == "l":
        return "the last day"
    ends = " to ".join(_named(each, numbers, names) for each in span.split("-"))
    if not step:
        return ends
    return f"{ends} in steps of {step}" if "-" in span else f"{ends} and every {_ordinal(int(step))} after it"


def _named(text: str, numbers: Mapping[str, int], names: Sequence[str]) -> str:
    number = numbers.get(text, int(text) if text.isdigit() else None)
    if number is None:
        return text
    return names[number] if 0 <= number < len(names) else str(number)


def _ordinal(number: int) -> str:
    return _ORDINALS[number] if number < len(_ORDINALS) else f"{number}th"


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _is_short_list(field: str) -> bool:
    parts = field.split(",")
    return len(parts) <= _MOST_TIMES and all(part.isdigit() for part in parts)


def _is_time_of_day(minute: str, hour: str) -> bool:
    return minute.isdigit() and _is_short_list(hour)
