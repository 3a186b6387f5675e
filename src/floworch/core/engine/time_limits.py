"""How long a run was given in all, also when a retry has moved its deadline since."""

from __future__ import annotations

from datetime import datetime, timedelta

from floworch.core.model.records import RunRecord
from floworch.core.ports.storage import Storage

__all__ = ["time_limit_of"]


async def time_limit_of(store: Storage, run: RunRecord) -> timedelta | None:
    """From its start to its first deadline, which the history begins with; None for a run without one."""
    if run.deadline is None:
        return None
    [started, *_] = await store.list_events(run.id, limit=1)
    return datetime.fromisoformat(started.data["deadline"]) - run.started_at
