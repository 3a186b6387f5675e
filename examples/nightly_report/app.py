"""The orchestrator. On the command line: ``floworch schedules examples.nightly_report.app:orchestrator``."""

from __future__ import annotations

import sys
from os import PathLike

from examples.nightly_report.flow import NightlyReport, make_report
from floworch import FailureNotice, FlowOrchestrator, Notifier, Throttle

__all__ = ["orchestrator", "wake_somebody"]


def wake_somebody(notice: FailureNotice) -> None:
    """Says which report is missing. A real one would send a message, or be a ``WebhookNotifier``."""
    sys.stderr.write(f"no report for {notice.tags['region']}: {notice.error}\n")


def orchestrator(
    path: str | PathLike[str] = "nightly_report.db", on_failure: Notifier = wake_somebody
) -> FlowOrchestrator:
    """An orchestrator that keeps its runs and schedules in a file."""
    builder = FlowOrchestrator.builder().use_sqlite(path).use_asyncio_runtime()
    builder.add_flow(NightlyReport).add_handlers(make_report).on_failure(on_failure, throttle=Throttle(3))
    return builder.build()
