"""Versions of the flows of a history beside those that its processes have: they say the same in other words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from floworch.core.model.flow import FlowDefinition
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.records import FlowRecord

__all__ = ["other_versions", "record_of"]


def record_of(flow: FlowDefinition, manifest: FlowManifest | None = None) -> FlowRecord:
    kept = manifest or flow.manifest
    return FlowRecord(flow.id, flow.name, flow.version, kept.content_hash, kept.to_json())


def other_versions(flows: Sequence[FlowDefinition]) -> Iterator[FlowRecord]:
    """One of each flow, which a run may be moved to whatever it has done."""
    for flow in flows:
        key, step = next(iter(flow.manifest.steps.items()))
        steps = {**flow.manifest.steps, key: step.model_copy(update={"description": "in other words"})}
        yield record_of(flow, flow.manifest.model_copy(update={"steps": steps}))
