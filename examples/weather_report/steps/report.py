"""Write the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from examples.weather_report.model import ExtremeKind, MonthStatistics, Summary
from examples.weather_report.page.html import page
from floworch import step_handler

__all__ = ["REPORT", "Written", "report"]

REPORT = Path(".floworch/seattle-weather.html")


@dataclass(frozen=True, slots=True)
class Written:
    path: Path
    size_bytes: int


@step_handler("RenderReport")
def report(
    summary: Summary,
    months: list[MonthStatistics],
    extremes: list[ExtremeKind] | None,
    origin: str,
    path: Path | None = None,
) -> Written:
    """One HTML file that needs nothing else. ``extremes`` is null when that step was skipped."""
    target = (path or REPORT).resolve()
    content = page(summary, months, extremes or [], origin).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    # A step may run again after a crash. Replacing the file as a whole gives the same result, however often it happens.
    draft = target.with_name(f"{target.name}.part")
    draft.write_bytes(content)
    draft.replace(target)
    return Written(target, len(content))
