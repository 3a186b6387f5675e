"""How a run ended, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from rich.table import Table

from floworch import RunResult, StepRecord

__all__ = ["outcome_table"]


def outcome_table(result: RunResult) -> Table:
    """One row for each step of the flow, and one for all iterations of a step of a loop."""
    table = Table()
    table.add_column("Step", no_wrap=True)
    table.add_column("Status")
    table.add_column("Attempts", justify="right")
    table.add_column("Duration", justify="right")
    for label, steps in _grouped(result).items():
        table.add_row(label, _statuses(steps), str(sum(step.attempt for step in steps)), _duration(steps))
    return table


def _grouped(result: RunResult) -> dict[str, list[StepRecord]]:
    """Steps under their key; those of iterations under their key with the iteration left open."""
    groups: dict[str, list[StepRecord]] = {}
    for key, step in result.steps.items():
        groups.setdefault(".".join("*" if part.isdigit() else part for part in key.split(".")), []).append(step)
    return groups


def _statuses(steps: Sequence[StepRecord]) -> str:
    counts = Counter(str(step.status) for step in steps)
    return ", ".join(f"{count} {status}" if len(steps) > 1 else status for status, count in counts.items())


def _duration(steps: Sequence[StepRecord]) -> str:
    spent = sum((step.ended_at - step.started_at for step in steps if step.started_at and step.ended_at), timedelta())
    return f"{spent / timedelta(milliseconds=1):,.0f} ms"
