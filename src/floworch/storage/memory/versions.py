"""The manifests that each flow has had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from floworch.core.machine.state import RunFacts
from floworch.core.model.records import FlowRecord, FlowVersion

__all__ = ["Versions"]


class Versions:
    """By flow and hash."""

    def __init__(self) -> None:
        self._rows: dict[tuple[UUID, str], FlowVersion] = {}

    def save(self, flow: FlowRecord, now: datetime) -> None:
        key = flow.id, flow.manifest_hash
        known = self._rows.get(key) or FlowVersion(*key, flow.version, now, now, 0)
        self._rows[key] = replace(known, version=flow.version, last_seen=now)

    def list(self, flow_ids: frozenset[UUID], live: Iterable[RunFacts]) -> list[FlowVersion]:
        """``live`` are the facts of the runs that have not ended."""
        counts = Counter((facts.flow_id, facts.manifest_hash) for facts in live)
        found = [replace(row, live_runs=counts[key]) for key, row in self._rows.items() if row.flow_id in flow_ids]
        return sorted(found, key=lambda row: (row.flow_id, row.last_seen, row.first_seen, row.manifest_hash))
