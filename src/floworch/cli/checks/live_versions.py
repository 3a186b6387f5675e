"""Runs that go on: whether the target has their flows, and can read their versions."""

from __future__ import annotations

from collections.abc import AsyncIterator

from floworch.cli.checks.finding import Finding, warning
from floworch.cli.words import plural
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.records import FlowVersion
from floworch.errors import FlowValidationError
from floworch.orchestrator import FlowOrchestrator

__all__ = ["check_live_versions"]


async def check_live_versions(orchestrator: FlowOrchestrator) -> AsyncIterator[Finding]:
    """Runs that processes of this target leave to others. The store is open."""
    storage = orchestrator.storage
    names = {flow.id: flow.name for flow in await storage.list_flows()}
    live = [version for version in await storage.list_versions(frozenset(names)) if version.live_runs]
    manifests = await storage.load_manifests([version.manifest_hash for version in live])
    registered = {flow.id for flow in orchestrator.flows}
    for version in live:
        what = f"{plural(version.live_runs, 'run')} of {names[version.flow_id]!r}, version {_shown(version)}"
        if version.flow_id not in registered:
            yield warning("runs", f"{what}: the target does not have this flow", _ADVICE)
        elif not _is_readable(manifests[version.manifest_hash]):
            yield warning("runs", f"{what}: made for another floworch, which this one cannot read", _ADVICE)


_ADVICE = "They wait for processes that can run them: keep such a process up until they have ended."


def _shown(version: FlowVersion) -> str:
    return f"{version.version} ({version.manifest_hash[:12]})"


def _is_readable(manifest: str) -> bool:
    try:
        FlowManifest.from_json(manifest)
    except FlowValidationError:
        return False
    return True
