"""Versions of flows for blocking code."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Coroutine
from typing import Any

from floworch.core.model.diff import ManifestDiff
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.records import FlowVersion
from floworch.versions import MigrationReport, Versions

__all__ = ["SyncVersions"]


class SyncVersions:
    """Methods, arguments and errors are those of :class:`~floworch.versions.Versions`."""

    def __init__(self, call: Callable[[Coroutine[Any, Any, Any]], Any], versions: Versions) -> None:
        self._call = call
        self._versions = versions

    def list(self, flow: Any) -> builtins.list[FlowVersion]:
        found: builtins.list[FlowVersion] = self._call(self._versions.list(flow))
        return found

    def manifest(self, flow: Any, version: str = "latest") -> FlowManifest:
        found: FlowManifest = self._call(self._versions.manifest(flow, version))
        return found

    def diff(self, flow: Any, old: str, new: str = "latest") -> ManifestDiff:
        found: ManifestDiff = self._call(self._versions.diff(flow, old, new))
        return found

    def migrate(self, runs: Any = None, **arguments: Any) -> MigrationReport:
        report: MigrationReport = self._call(self._versions.migrate(runs, **arguments))
        return report
