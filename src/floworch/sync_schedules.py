"""Schedules for blocking code."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from floworch.core.explain import Explanation
from floworch.core.model.schedules import Backfill, TickRecord
from floworch.schedules import Schedule, Schedules

if TYPE_CHECKING:
    from floworch.sync import SyncRunHandle

__all__ = ["SyncSchedules"]

_T = TypeVar("_T")


class SyncSchedules:
    """Methods, arguments and errors are those of :class:`~floworch.schedules.Schedules`."""

    def __init__(
        self,
        call: Callable[[Coroutine[Any, Any, Any]], Any],
        handle: Callable[[UUID], SyncRunHandle],
        schedules: Schedules,
    ) -> None:
        self._call = call
        self._handle = handle
        self._schedules = schedules

    def list(self, flow: Any = None, *, retired: bool = False) -> builtins.list[Schedule]:
        return self._do(self._schedules.list(flow, retired=retired))

    def get(self, flow: Any, trigger: str) -> Schedule:
        return self._do(self._schedules.get(flow, trigger))

    def late(self) -> Sequence[Schedule]:
        return self._do(self._schedules.late())

    @property
    def lag_seconds(self) -> float:
        return self._schedules.lag_seconds

    def next_fire_times(self, flow: Any, trigger: str, n: int = 5) -> Sequence[datetime]:
        return self._do(self._schedules.next_fire_times(flow, trigger, n))

    def explain(self, flow: Any, trigger: str) -> Explanation:
        return self._do(self._schedules.explain(flow, trigger))

    def describe(self, flow: Any, trigger: str) -> str:
        return self._do(self._schedules.describe(flow, trigger))

    def ticks(self, flow: Any, trigger: str, **arguments: Any) -> Sequence[TickRecord]:
        return self._do(self._schedules.ticks(flow, trigger, **arguments))

    def pause(self, flow: Any, trigger: str, reason: str | None = None, **arguments: Any) -> None:
        self._do(self._schedules.pause(flow, trigger, reason, **arguments))

    def resume(self, flow: Any, trigger: str) -> None:
        self._do(self._schedules.resume(flow, trigger))

    def trigger_now(self, flow: Any, trigger: str, *, body: Any = None) -> SyncRunHandle:
        return self._handle(self._do(self._schedules.trigger_now(flow, trigger, body=body)).run_id)

    def override(self, flow: Any, trigger: str, cron: str) -> None:
        self._do(self._schedules.override(flow, trigger, cron))

    def reset_to_code(self, flow: Any, trigger: str) -> None:
        self._do(self._schedules.reset_to_code(flow, trigger))

    def backfill(self, flow: Any, trigger: str, start: datetime, end: datetime, **arguments: Any) -> Backfill:
        return self._do(self._schedules.backfill(flow, trigger, start, end, **arguments))

    def plan_backfill(
        self, flow: Any, trigger: str, start: datetime, end: datetime, **arguments: Any
    ) -> Sequence[datetime]:
        return self._do(self._schedules.plan_backfill(flow, trigger, start, end, **arguments))

    def pause_backfill(self, flow: Any, trigger: str) -> Backfill:
        return self._do(self._schedules.pause_backfill(flow, trigger))

    def resume_backfill(self, flow: Any, trigger: str) -> Backfill:
        return self._do(self._schedules.resume_backfill(flow, trigger))

    def abort_backfill(self, flow: Any, trigger: str) -> Backfill:
        return self._do(self._schedules.abort_backfill(flow, trigger))

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        answer: _T = self._call(work)
        return answer
