"""The orchestrator. On the command line: ``floworch check examples.approval.app:orchestrator``."""

from __future__ import annotations

from examples.approval.flow import PurchaseFlow
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator() -> FlowOrchestrator:
    """An orchestrator that keeps its runs in memory, and loses them when the process ends."""
    return FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime().add_flow(PurchaseFlow).build()
