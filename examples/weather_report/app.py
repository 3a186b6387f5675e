"""The orchestrator. On the command line: ``floworch check examples.weather_report.app:orchestrator``."""

from __future__ import annotations

from pathlib import Path

from examples.weather_report.flow import WeatherReportFlow
from examples.weather_report.steps.extract import extract
from examples.weather_report.steps.extremes import extremes
from examples.weather_report.steps.report import report
from examples.weather_report.steps.statistics import statistics
from examples.weather_report.steps.summarise import summarise
from examples.weather_report.steps.validate import validate
from floworch import FlowOrchestrator

__all__ = ["DATABASE", "orchestrator"]

DATABASE = Path(".floworch/weather.db")


def orchestrator(database: Path = DATABASE) -> FlowOrchestrator:
    """An orchestrator on a SQLite file, which is made when it is missing."""
    database.parent.mkdir(parents=True, exist_ok=True)
    return (
        FlowOrchestrator.builder()
        .use_sqlite(database)
        .use_asyncio_runtime(concurrency=16)
        .add_flow(WeatherReportFlow)
        .add_handlers(extract, validate, statistics, summarise, extremes, report)
        .build()
    )
