"""Run the flow once, show how it goes, and tell where the report is: ``python -m examples.weather_report.main``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from examples.weather_report.app import DATABASE, orchestrator
from examples.weather_report.flow import WeatherReportFlow
from examples.weather_report.outcome import outcome_table
from examples.weather_report.progress import follow
from examples.weather_report.steps.report import REPORT
from floworch import FloworchError, RunResult


def main(arguments_given: Sequence[str] | None = None) -> int:
    """Exit code 0 when the report was written, 1 when it was not."""
    arguments = _arguments(arguments_given)
    console = Console()
    try:
        return asyncio.run(_run(arguments, console))
    except (FloworchError, OSError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False, soft_wrap=True)
        return 1


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Four years of Seattle's weather to an HTML report.")
    parser.add_argument("--database", type=Path, default=DATABASE, help="SQLite file (default: %(default)s)")
    parser.add_argument("--report", type=Path, default=REPORT, help="HTML file to write (default: %(default)s)")
    parser.add_argument("--source", type=Path, help="CSV file to read instead of the one that comes with the example")
    return parser.parse_args(given)


async def _run(arguments: argparse.Namespace, console: Console) -> int:
    body = {"report": arguments.report.resolve(), "source": arguments.source and arguments.source.resolve()}
    async with orchestrator(arguments.database) as flows:
        run = await flows.trigger(WeatherReportFlow, body=body)
        await follow(run.events(), WeatherReportFlow.manifest, console)
        result = await run.wait()
        runs = sum((await flows.count_runs()).values())
    _show(result, arguments.database, runs, console)
    return 0 if result.succeeded else 1


def _show(result: RunResult, database: Path, runs: int, console: Console) -> None:
    console.print(f"Run {result.run_id}: {result.status}", style="bold", highlight=False)
    console.print(outcome_table(result))
    if result.succeeded:
        _line(console, "Report", result.steps["report"].output["path"])
    else:
        _line(console, "Error", result.error or "")
    _line(console, "Database", f"{database.resolve()} ({runs} {'run' if runs == 1 else 'runs'})")


def _line(console: Console, label: str, text: str) -> None:
    console.print(f"{label + ':':<9} {text}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
