"""Runs, steps and events as the JSON of ``--json``: names as in manifests, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from floworch.core.model.records import FlowVersion, HistoryEvent, RunRecord, StepRecord
from floworch.core.model.schedules import Backfill, TickRecord
from floworch.core.model.signals import SignalRecord
from floworch.results import RunResult
from floworch.schedules import Schedule

__all__ = [
    "backfill_document",
    "event_document",
    "result_document",
    "run_document",
    "schedule_document",
    "signal_document",
    "step_document",
    "tick_document",
    "version_document",
]


def run_document(run: RunRecord) -> dict[str, Any]:
    """All fields of the run, and how long it took."""
    return {**_fields(run), "durationSeconds": _seconds(run.started_at, run.ended_at)}


def step_document(step: StepRecord) -> dict[str, Any]:
    """All fields of the step, and how long its last attempt took."""
    progress = None if step.progress is None else {_camel(name): value for name, value in step.progress.items()}
    return {**_fields(step), "progress": progress, "durationSeconds": _seconds(step.started_at, step.ended_at)}


def result_document(result: RunResult) -> dict[str, Any]:
    """The run, why it did not succeed or what came of it, and its steps by key."""
    steps: Mapping[str, Any] = {key: step_document(step) for key, step in result.steps.items()}
    return {**run_document(result.run), "error": result.error, "output": result.output, "steps": steps}


def event_document(event: HistoryEvent) -> dict[str, Any]:
    """All fields of the event."""
    return _fields(event)


def signal_document(signal: SignalRecord) -> dict[str, Any]:
    """All fields of the signal."""
    return _fields(signal)


def schedule_document(schedule: Schedule) -> dict[str, Any]:
    """All fields of the schedule."""
    backfill = None if schedule.backfill is None else backfill_document(schedule.backfill)
    return {**_fields(schedule), "backfill": backfill}


def tick_document(tick: TickRecord) -> dict[str, Any]:
    """All fields of the tick, and how late it was dealt with."""
    return {**_fields(tick), "lagSeconds": tick.lag_seconds}


def version_document(version: FlowVersion) -> dict[str, Any]:
    """All fields of the version."""
    return _fields(version)


def backfill_document(backfill: Backfill) -> dict[str, Any]:
    """All fields of the backfill."""
    return _fields(backfill)


def _fields(
    record: RunRecord | StepRecord | HistoryEvent | SignalRecord | Schedule | TickRecord | Backfill | FlowVersion,
) -> dict[str, Any]:
    return {_camel(field.name): getattr(record, field.name) for field in fields(record)}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()
