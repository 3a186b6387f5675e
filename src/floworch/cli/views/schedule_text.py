"""Schedules and backfills in words."""

from __future__ import annotations

from collections.abc import Iterator

from floworch.cli.words import local_day_and_time, plural
from floworch.core.model.schedules import Backfill, TickRecord
from floworch.schedules import Schedule

__all__ = ["backfill_words", "next_words", "schedule_lines", "tick_line"]


def next_words(schedule: Schedule) -> str:
    """When it is due next, or why it is not."""
    if schedule.is_retired:
        return "retired"
    if not schedule.is_enabled:
        return "flow is disabled"
    if schedule.is_paused:
        until = "" if schedule.paused_until is None else f" until {local_day_and_time(schedule.paused_until)}"
        return f"paused{until}"
    if schedule.waits_for is not None:
        return f"waits for run {schedule.waits_for}"
    return "never" if schedule.next_fire_at is None else local_day_and_time(schedule.next_fire_at)


def schedule_lines(schedule: Schedule) -> Iterator[str]:
    """Everything about one schedule."""
    yield f"{schedule.flow} {schedule.trigger}: {schedule.in_words}"
    yield f"next: {next_words(schedule)}"
    if schedule.pause_reason:
        yield f"reason: {schedule.pause_reason}"
    if schedule.override is not None:
        yield f"set in place of the code: {schedule.override}"
    if schedule.late_seconds:
        yield f"late by {schedule.late_seconds:.0f} s"
    if schedule.backfill is not None:
        yield backfill_words(schedule.backfill)


def backfill_words(backfill: Backfill) -> str:
    """How far it has got."""
    span = f"{local_day_and_time(backfill.start)} to {local_day_and_time(backfill.end)}"
    position = "" if backfill.status.is_over else f", looked at until {local_day_and_time(backfill.position)}"
    counts = f"{plural(backfill.started, 'run')} started, {plural(backfill.passed_over, 'tick')} passed over"
    return f"backfill {backfill.status}: {span}; {counts}{position}"


def tick_line(tick: TickRecord) -> str:
    """What became of one tick."""
    run = "" if tick.run_id is None else f"  run {tick.run_id}"
    why = "" if tick.why is None else f"  {tick.why}"
    return f"{local_day_and_time(tick.scheduled_at)}  {tick.outcome:<10}{run}{why}"
