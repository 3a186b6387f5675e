"""When flows are started by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from floworch.core.dag.rules.scopes import Finding
from floworch.core.model.manifest import CronTrigger, FlowManifest, IntervalTrigger, TimedTrigger
from floworch.core.policy.cron import cron_problem, time_zone_problem
from floworch.core.policy.fires import fires_of

__all__ = ["timed_triggers"]

_MOST_CAUGHT_UP = 10_000
_LONGEST_SECONDS = timedelta(days=36_525).total_seconds()
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST_PERIOD_SECONDS = 1


def timed_triggers(manifest: FlowManifest) -> Iterator[Finding]:
    """Expressions that do not parse or never match, unknown zones, and limits that make no sense."""
    for key, trigger in manifest.triggers.items():
        if isinstance(trigger, TimedTrigger):
            inputs = f"triggers.{key}.inputs"
            found = list(_of_one(inputs, trigger))
            yield from found or _never_due(inputs, trigger)


def _of_one(inputs: str, trigger: TimedTrigger) -> Iterator[Finding]:
    yield from _of_all(inputs, trigger)
    if isinstance(trigger, CronTrigger):
        yield from _of_cron(inputs, trigger)
    if isinstance(trigger, IntervalTrigger):
        yield from _of_interval(inputs, trigger)


def _of_cron(inputs: str, trigger: CronTrigger) -> Iterator[Finding]:
    if fault := cron_problem(trigger.cron_expression):
        yield Finding(f"{inputs}.cronExpression", "bad_cron", fault)
    if fault := time_zone_problem(trigger.time_zone):
        yield Finding(f"{inputs}.timeZone", "unknown_time_zone", fault)


def _of_interval(inputs: str, trigger: IntervalTrigger) -> Iterator[Finding]:
    if not _SHORTEST_PERIOD_SECONDS <= trigger.every <= _LONGEST_SECONDS:
        message = f"everySeconds must be at least 1 and at most {_LONGEST_SECONDS:.0f}, got {trigger.every:g}."
        yield Finding(f"{inputs}.everySeconds", "bad_interval", message)


def _of_all(inputs: str, trigger: TimedTrigger) -> Iterator[Finding]:
    if not 1 <= trigger.catch_up_limit <= _MOST_CAUGHT_UP:
        message = f"catchUpLimit must be at least 1 and at most {_MOST_CAUGHT_UP}, got {trigger.catch_up_limit}."
        yield Finding(f"{inputs}.catchUpLimit", "bad_limit", message)
    if not 0 <= trigger.jitter_seconds <= _LONGEST_SECONDS:
        message = f"jitterSeconds must not be less than 0, got {trigger.jitter_seconds:g}."
        yield Finding(f"{inputs}.jitterSeconds", "bad_jitter", message)
    if trigger.start is not None and trigger.end is not None and trigger.end < trigger.start:
        message = f"end ({trigger.end.isoformat()}) is before start ({trigger.start.isoformat()})."
        yield Finding(f"{inputs}.end", "ends_before_start", message)


def _never_due(inputs: str, trigger: TimedTrigger) -> Iterator[Finding]:
    """One whose time has passed is fine: it was due once."""
    if (trigger.start or trigger.end) and fires_of(trigger).next_after(_LONG_AGO) is None:
        yield Finding(inputs, "never_due", "It is never due: no tick lies between its start and its end.")
