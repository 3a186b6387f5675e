"""The orchestrator. On the command line: ``floworch schedules examples.nightly_report.app:orchestrator``."""

from __future__ import annotations

from os import PathLike

from examples.nightly_report.flow import NightlyReport, make_report
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator(path: str | PathLike[str] = "nightly_report.db") -> FlowOrchestrator:
    """An orchestrator that keeps its runs and schedules in a file."""
    builder = FlowOrchestrator.builder().use_sqlite(path).use_asyncio_runtime()
    return builder.add_flow(NightlyReport).add_handlers(make_report).build()
