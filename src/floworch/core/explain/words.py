"""Moments and names as explanations tell them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

__all__ = ["ago", "ahead", "closed", "moment", "names", "number", "since", "span", "until"]

_UNITS = ((86_400, 36 * 3600, "day"), (3600, 90 * 60, "hour"), (60, 90, "minute"), (1, 1, "second"))
"""Seconds of the unit, from how many seconds on it is used, and its name."""
_MOST_NAMES = 5


def moment(at: datetime) -> str:
    """``2030-01-31T09:00:00Z``, for a time in UTC."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def span(duration: timedelta) -> str:
    """``4 minutes``: whole units, of the largest that says enough."""
    seconds = abs(duration.total_seconds())
    for size, smallest, unit in _UNITS:
        if seconds >= smallest:
            return number(int(seconds // size), unit)
    return "less than a second"


def ago(at: datetime, now: datetime) -> str:
    """``2030-01-31T09:00:00Z (4 minutes ago)``."""
    return f"{moment(at)} ({span(now - at)} ago)"


def ahead(at: datetime, now: datetime) -> str:
    """``2030-01-31T09:00:00Z (in 4 minutes)``; ``(4 minutes ago)`` for what has passed."""
    return f"{moment(at)} (in {span(at - now)})" if at > now else ago(at, now)


def closed(sentence: str) -> str:
    """The sentence with its full stop; what people or handlers say at its end may have one already."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def since(at: datetime | None, now: datetime) -> str:
    """`` since ...`` with a space before it; nothing when that is not known."""
    return "" if at is None else f" since {ago(at, now)}"


def until(at: datetime | None, now: datetime) -> str:
    """`` until ...`` with a space before it; nothing when there is no end."""
    return "" if at is None else f" until {ahead(at, now)}"


def names(keys: Iterable[str]) -> str:
    """``'a', 'b' and 3 more``."""
    known = [repr(key) for key in keys]
    shown, rest = known[:_MOST_NAMES], known[_MOST_NAMES:]
    return ", ".join(shown) + (f" and {len(rest)} more" if rest else "")


def number(count: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
