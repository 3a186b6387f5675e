"""Which rows of the in-memory store may go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from floworch.storage.memory.rows import RunRow

__all__ = ["Keys", "ended_before"]


def ended_before(runs: Iterable[RunRow], before: datetime) -> list[RunRow]:
    """Runs that ended before that, but for those whose parents have not heard of it."""
    return [run for run in runs if run.ended_at is not None and run.ended_at < before and not run.tells_parent]


class Keys:
    """Idempotency keys: (flow, key) → the run that has it. A key may outlive its run."""

    def __init__(self) -> None:
        self._runs: dict[tuple[UUID, str], UUID] = {}
        self._orphans: dict[tuple[UUID, str], datetime] = {}

    def reserve(self, flow_id: UUID, key: str, run_id: UUID) -> UUID:
        """The run that has the key: this one, unless another one has it."""
        return self._runs.setdefault((flow_id, key), run_id)

    def owner(self, flow_id: UUID, key: str) -> UUID | None:
        return self._runs.get((flow_id, key))

    def run_deleted(self, run: RunRow, keys_before: datetime) -> None:
        """Let the run's key go with it, or outlive it."""
        key = run.facts.idempotency_key
        if key is None:
            return
        self._orphans[run.facts.flow_id, key] = run.facts.started_at
        if run.facts.started_at < keys_before:
            self._forget([(run.facts.flow_id, key)])

    def forget_orphans(self, before: datetime, limit: int) -> int:
        """Forget at most so many keys of deleted runs that were used before that."""
        old = [key for key, used_at in self._orphans.items() if used_at < before][:limit]
        self._forget(old)
        return len(old)

    def _forget(self, keys: Iterable[tuple[UUID, str]]) -> None:
        for key in keys:
            del self._runs[key], self._orphans[key]
