"""Times and amounts as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta

__all__ = ["duration_words", "local_day_and_time", "local_time", "plural", "short"]

_SHORT_CHARS = 120


def duration_words(duration: timedelta) -> str:
    """``0.25 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 03 min``, ``3 d 04 h``."""
    seconds = max(duration.total_seconds(), 0.0)
    if seconds < 9.95:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = whole // 60
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60:02} h"


def local_time(at: datetime) -> str:
    """Time of day in the zone of this machine, with milliseconds."""
    return at.astimezone().strftime("%H:%M:%S.%f")[:-3]


def local_day_and_time(at: datetime) -> str:
    """Day and time in the zone of this machine."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def plural(count: int, noun: str) -> str:
    """``1 flow``, ``2 flows``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def short(text: str, chars: int = _SHORT_CHARS) -> str:
    """The text on one line, cut when it is long."""
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1] + "…"
