"""Cron expressions and time zones. The only user of croniter, which is imported when it is first needed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from floworch.core.model.spelling import did_you_mean

__all__ = ["cron_problem", "next_fire_at", "time_zone_problem"]

_PROBE_START = datetime(2024, 1, 1, tzinfo=UTC)
_FIELD_COUNTS = (5, 6)
_RANDOM = re.compile(r"[rR]($|[(/])")


def cron_problem(expression: str) -> str | None:
    """What is wrong with the expression, or None. An expression that never matches a date is wrong as well."""
    fields = expression.split()
    if len(fields) not in _FIELD_COUNTS and not expression.strip().startswith("@"):
        return (
            f"Bad cron expression {expression!r}: it has {len(fields)} fields; expected five "
            "(minute hour day month weekday), or six with seconds at the end."
        )
    if any(_RANDOM.match(part) for field in fields for part in field.split(",")):
        return f"Bad cron expression {expression!r}: random fields (R) are not supported; write the times."
    try:
        next_fire_at(expression, "UTC", _PROBE_START)
    except ValueError as error:
        return f"Bad cron expression {expression!r}: {error}"
    return None


def time_zone_problem(name: str) -> str | None:
    """What is wrong with the IANA time zone name, or None."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or " Use an IANA name such as 'Europe/Berlin'."
        return f"Unknown time zone {name!r}.{hint}"
    return None


def next_fire_at(expression: str, time_zone: str, after: datetime) -> datetime:
    """First instant after ``after`` (aware) at which the expression, read in the zone, is due; UTC.

    Raises ``ValueError`` when the expression is malformed or never due.
    """
    from croniter import CroniterBadDateError, CroniterError, croniter

    local = after.astimezone(ZoneInfo(time_zone))
    try:
        found: datetime = croniter(expression, local, ret_type=datetime).get_next()
    except CroniterBadDateError:
        raise ValueError("there is no such date.") from None
    except CroniterError as error:
        raise ValueError(str(error)) from None
    return found.astimezone(UTC)
