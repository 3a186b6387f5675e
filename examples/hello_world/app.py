"""The orchestrator. On the command line: ``floworch check examples.hello_world.app:orchestrator``."""

from __future__ import annotations

from examples.hello_world.flow import HelloWorldFlow
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator() -> FlowOrchestrator:
    """An orchestrator that keeps its runs in memory, and loses them when the process ends."""
    return FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime().add_flow(HelloWorldFlow).build()
