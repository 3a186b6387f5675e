"""The orchestrator. On the command line: ``floworch check examples.catalog_pages.app:orchestrator``."""

from __future__ import annotations

from examples.catalog_pages import handlers
from examples.catalog_pages.flow import CatalogFlow
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator(shelf: handlers.Shelf | None = None) -> FlowOrchestrator:
    """An orchestrator in memory; ``shelf`` is lent to the handlers that ask for one."""
    return (
        FlowOrchestrator.builder()
        .use_in_memory()
        .use_asyncio_runtime()
        .add_flow(CatalogFlow)
        .add_handlers(handlers)
        .add_service(shelf or handlers.Shelf())
        .build()
    )
