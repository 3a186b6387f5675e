"""The orchestrator. On the command line: ``floworch check examples.report_export.app:orchestrator``."""

from __future__ import annotations

from examples.report_export.flow import ReportFlow
from examples.report_export.handlers import check_report
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator() -> FlowOrchestrator:
    """An orchestrator in memory. ``HttpRequest`` is built in."""
    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime()
    return builder.add_flow(ReportFlow).add_handlers(check_report).build()
