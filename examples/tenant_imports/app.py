"""The orchestrator. On the command line: ``floworch limits examples.tenant_imports.app:orchestrator``."""

from __future__ import annotations

from os import PathLike

from examples.tenant_imports.flow import TenantImport, load_file
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator(path: str | PathLike[str] = "tenant_imports.db") -> FlowOrchestrator:
    """An orchestrator that keeps its runs in a file, and what somebody has set in place of a limit."""
    builder = FlowOrchestrator.builder().use_sqlite(path).use_asyncio_runtime()
    return builder.add_flow(TenantImport).add_handlers(load_file).build()
