"""How long a run was given in all, also when a retry has moved its deadline since, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from floworch.core.model.payload import Json
from floworch.core.model.records import RunRecord
from floworch.core.ports.storage import Storage

__all__ = ["Deadline", "LimitedBy", "TimeLimit", "time_limit_of", "why_time_is_up"]


class LimitedBy(StrEnum):
    """Who has limited the time of a run. Stored."""

    START = "start"
    """Whoever started it: a trigger, or the step of another run."""
    FLOW = "flow"
    DEFAULT = "default"
    PARENT = "parent"
    """The run that waits for it has no more time."""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """``by`` is None where nobody knows."""

    length: timedelta
    by: LimitedBy | None


class Deadline(NamedTuple):
    """When a new run has to be done, if it has to."""

    at: datetime | None = None
    by: LimitedBy | None = None

    @property
    def told(self) -> Mapping[str, Json]:
        """What the history of the run begins with."""
        return {} if self.by is None else {"limited_by": str(self.by)}


async def time_limit_of(store: Storage, run: RunRecord) -> TimeLimit | None:
    """From its start to its first deadline, which the history begins with; None for a run without one."""
    if run.deadline is None:
        return None
    [started, *_] = await store.list_events(run.id, limit=1)
    by = started.data.get("limited_by")
    length = datetime.fromisoformat(started.data["deadline"]) - run.started_at
    return TimeLimit(length, None if by is None else LimitedBy(by))


async def why_time_is_up(store: Storage, run_id: UUID) -> str | None:
    """Whose time limit is over, in words; None where there is none."""
    run = await store.get_run(run_id)
    limit = None if run is None else await time_limit_of(store, run)
    if run is None or limit is None:
        return None
    seconds = f"{limit.length.total_seconds():.6f}".rstrip("0").rstrip(".")
    match limit.by:
        case LimitedBy.PARENT:
            return f"the run {run.parent_run_id}, which waits for this one, has no more time"
        case LimitedBy.FLOW:
            return f"the time limit of the flow, {seconds} seconds, is over"
        case LimitedBy.DEFAULT:
            return f"the default time limit, {seconds} seconds, is over"
        case _:
            return f"the time limit that the run was started with, {seconds} seconds, is over"
