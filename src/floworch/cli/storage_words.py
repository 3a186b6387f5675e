"""Naming a storage."""

from __future__ import annotations

from floworch.orchestrator import FlowOrchestrator

__all__ = ["storage_words"]


def storage_words(orchestrator: FlowOrchestrator) -> str:
    """Where the orchestrator keeps its runs, without passwords."""
    schema = orchestrator.storage.schema
    if schema is not None:
        return schema.location
    return type(orchestrator.storage).__name__ + (
        "" if orchestrator.storage.capabilities.survives_restart else " (in memory)"
    )
