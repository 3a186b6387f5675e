"""Whom all processes tell of runs that have ended badly: it is slow, often away, and remembers what it was told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from random import Random
from uuid import UUID

from floworch import FailureNotice, FlowDefinition, RunStatus
from floworch.core.engine.notifiers import Registration
from floworch.storage.memory import MemoryStorage

__all__ = ["Messenger"]

_ENDS = frozenset({RunStatus.FAILED, RunStatus.TIMED_OUT})


class Messenger:
    """``failures`` of the calls fail, from 0 to 1."""

    def __init__(self, chance: Random, failures: float) -> None:
        self._chance = chance
        self._failures = failures
        self._told: defaultdict[UUID, set[datetime | None]] = defaultdict(set)

    async def hear(self, notice: FailureNotice) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, 1.0))
        if self._chance.random() < self._failures:
            raise ConnectionError("the messenger is away")
        assert notice.run.status in _ENDS
        self._told[notice.run.id].add(notice.run.ended_at)

    def registrations(self, flows: Sequence[FlowDefinition]) -> list[Registration]:
        """For the engine of a process."""
        return [Registration(self.hear, frozenset(flow.id for flow in flows), _ENDS)]

    def is_over(self, store: MemoryStorage) -> bool:
        """Whether nobody has anything left to tell."""
        return not store._notices._marks

    def check_end(self, store: MemoryStorage) -> None:
        """It has heard of the last end of every run that has ended badly."""
        for run_id, row in store._runs.items():
            if row.status in _ENDS:
                assert row.ended_at in self._told[run_id], f"nobody was told that run {run_id} has ended {row.status}"
