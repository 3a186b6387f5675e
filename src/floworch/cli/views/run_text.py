"""Facts about a run, and about one of its steps, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from rich.table import Table
from rich.text import Text

from floworch.cli.json_output import json_text
from floworch.cli.screen import status_text
from floworch.cli.tags import tags_text
from floworch.cli.words import duration_words, local_day_and_time
from floworch.core.model.payload import Json
from floworch.core.model.records import RunRecord, StepRecord
from floworch.core.model.status import StepStatus

__all__ = ["outcome_line", "run_facts", "step_facts"]


def outcome_line(run: RunRecord, error: str | None) -> Text:
    """``Succeeded in 3.21 s`` and the run's id; why not, when it did not."""
    took = f" after {duration_words(run.ended_at - run.started_at)}" if run.ended_at else ""
    line = Text.assemble(status_text(run.status), took, "  ", (str(run.id), "bright_black"))
    return Text.assemble(line, f"\n{error}") if error else line


def run_facts(run: RunRecord, error: str | None, now: datetime) -> Table:
    """What is known of the run itself."""
    facts = _grid()
    facts.add_row("run", str(run.id))
    facts.add_row("status", status_text(run.status))
    facts.add_row("flow", f"{run.flow_name}, version {run.flow_version}")
    facts.add_row("trigger", run.trigger_key)
    facts.add_row("started", local_day_and_time(run.started_at))
    if run.ended_at:
        facts.add_row("ended", local_day_and_time(run.ended_at))
    facts.add_row("took" if run.ended_at else "so far", duration_words((run.ended_at or now) - run.started_at))
    for name, value in _optional_facts(run, error):
        facts.add_row(name, value)
    return facts


def step_facts(step: StepRecord, now: datetime) -> Table:
    """What is known of the step, payloads included."""
    facts = _grid()
    facts.add_row("step", step.key)
    facts.add_row("type", step.type)
    facts.add_row("status", status_text(step.status))
    facts.add_row("attempt", str(step.attempt))
    if step.started_at:
        facts.add_row("started", local_day_and_time(step.started_at))
        facts.add_row("took", duration_words((step.ended_at or now) - step.started_at))
    for name, value in _optional_step_facts(step):
        facts.add_row(name, value)
    return facts


def _optional_facts(run: RunRecord, error: str | None) -> Iterator[tuple[str, str | Text]]:
    if run.deadline and not run.ended_at:
        yield "deadline", local_day_and_time(run.deadline)
    if run.idempotency_key:
        yield "key", run.idempotency_key
    if run.tags:
        yield "tags", tags_text(run.tags)
    if run.concurrency_key is not None:
        yield "limit key", run.concurrency_key
    if run.parent_run_id:
        yield "started by", f"{run.parent_run_id}, step {run.parent_step_key}"
    if run.source_run_id:
        yield "made of", f"run {run.source_run_id}"
    if run.stop_kind and not run.status.is_final:
        yield "stopping", f"{run.stop_kind} {run.stop_reason or ''}".strip()
    if run.suspended_at:
        yield "suspended", _suspension(run, run.suspended_at)
    if error:
        yield "error", Text(error, "red")


def _suspension(run: RunRecord, at: datetime) -> str:
    by = f" by {run.suspended_by}" if run.suspended_by else ""
    return f"{local_day_and_time(at)}{by}" + (f": {run.suspend_reason}" if run.suspend_reason else "")


def _optional_step_facts(step: StepRecord) -> Iterator[tuple[str, str | Text]]:
    if step.owner:
        yield "worker", step.owner
    is_wait = step.status is StepStatus.PENDING and (step.progress or {}).get("kind") == "signal"
    if is_wait and step.progress:
        yield "waits for", ", ".join(map(repr, step.progress["names"]))
    if step.due_at:
        yield "gives up" if is_wait else "goes on", local_day_and_time(step.due_at)
    if step.reason and not step.error:
        yield "reason", step.reason
    if step.loop:
        yield "iterations", ", ".join(f"{name} {value}" for name, value in step.loop.items() if name != "kind")
    if step.reused_from:
        yield "taken over", f"from run {step.reused_from}"
    if step.child_run_id:
        yield "child run", str(step.child_run_id)
    if step.progress and step.progress["kind"] == "until":
        yield "iterations", f"started {step.progress['started']}"
    if step.progress and step.progress.get("kind") == "scope":
        yield from _scope_facts(step.progress)
    if step.trace:
        yield "when", _pretty(step.trace)
    yield "input", _pretty(step.input)
    yield "output", _pretty(step.output)
    if step.error:
        yield "error", Text(f"{step.error.get('type')}: {step.error.get('message')}", "red")
        if step.error.get("traceback"):
            yield "", str(step.error["traceback"]).rstrip()


def _scope_facts(progress: Mapping[str, Json]) -> Iterator[tuple[str, str | Text]]:
    if progress["body"]:
        yield "steps", str(progress["body"])
    if progress["first_failure"]:
        yield "because of", str(progress["first_failure"])
    if progress["to_undo"]:
        yield "left to undo", ", ".join(progress["to_undo"])
    if progress["not_undone"]:
        yield "not undone", Text(", ".join(progress["not_undone"]), "red")


def _pretty(value: Json) -> str:
    return json_text(value, indent=2)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bright_black", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid
