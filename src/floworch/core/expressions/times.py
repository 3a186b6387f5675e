"""Functions on points in time. Times are ISO 8601 text, results are always in UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from floworch.core.expressions.arguments import require_number, require_text
from floworch.core.expressions.kinds import describe
from floworch.core.expressions.numeric import as_decimal
from floworch.core.expressions.origin import Fault
from floworch.core.model.payload import Json

__all__ = ["add_seconds", "format_date_time", "utc_now"]

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_CODE = re.compile(r"%(.?)", re.DOTALL)
# strftime itself answers by the host's locale and C library; the same run must format alike on every worker.
_CODES: Final[Mapping[str, Callable[[datetime], str]]] = MappingProxyType(
    {
        "Y": lambda at: f"{at.year:04}",
        "y": lambda at: f"{at.year % 100:02}",
        "m": lambda at: f"{at.month:02}",
        "d": lambda at: f"{at.day:02}",
        "H": lambda at: f"{at.hour:02}",
        "I": lambda at: f"{(at.hour - 1) % 12 + 1:02}",
        "M": lambda at: f"{at.minute:02}",
        "S": lambda at: f"{at.second:02}",
        "f": lambda at: f"{at.microsecond:06}",
        "p": lambda at: "AM" if at.hour < 12 else "PM",
        "j": lambda at: f"{at.timetuple().tm_yday:03}",
        "A": lambda at: _DAYS[at.weekday()],
        "a": lambda at: _DAYS[at.weekday()][:3],
        "B": lambda at: _MONTHS[at.month - 1],
        "b": lambda at: _MONTHS[at.month - 1][:3],
        "u": lambda at: str(at.isoweekday()),
        "G": lambda at: f"{at.isocalendar().year:04}",
        "V": lambda at: f"{at.isocalendar().week:02}",
        "s": lambda at: str((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)),
        "F": lambda at: f"{at.year:04}-{at.month:02}-{at.day:02}",
        "T": lambda at: f"{at.hour:02}:{at.minute:02}:{at.second:02}",
        "z": lambda at: "+0000",
        "Z": lambda at: "UTC",
        "%": lambda at: "%",
    }
)


def utc_now(now: datetime, layout: Json = None) -> str:
    """The given time as ISO 8601 text, or in a format as of :func:`format_date_time`."""
    at = now.astimezone(UTC)
    return _iso(at) if layout is None else _formatted(at, require_text(layout, "utcNow(format?)"), 0)


def add_seconds(time: Json, seconds: Json) -> str:
    """The time that many seconds later, or earlier for a negative number; exact to the microsecond."""
    usage = "addSeconds(time, seconds)"
    at = _parsed(time, usage)
    amount = as_decimal(require_number(seconds, usage, 1))
    try:
        return _iso(at + timedelta(microseconds=int(amount.scaleb(6)) if -(10**12) < amount < 10**12 else 10**30))
    except OverflowError:
        raise Fault(f"{usage}: the result is outside of the years 1 to 9999", 1) from None


def format_date_time(time: Json, layout: Json) -> str:
    """The time in UTC, written with the codes of ``strftime``; names are English on every host."""
    usage = "formatDateTime(time, format)"
    return _formatted(_parsed(time, usage), require_text(layout, usage, 1), 1)


def _parsed(time: Json, usage: str) -> datetime:
    text = require_text(time, usage)
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Fault(f"{usage} takes a time such as 2026-01-31T12:00:00Z here, not {describe(text)}", 0) from None


def _formatted(at: datetime, layout: str, argument: int) -> str:
    def written(match: re.Match[str]) -> str:
        code = _CODES.get(match.group(1))
        if code is None:
            raise Fault(f"unknown time code '{match.group()}'; known are %{' %'.join(_CODES)}", argument)
        return code(at)

    return _CODE.sub(written, layout)


def _iso(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat() + "Z"
