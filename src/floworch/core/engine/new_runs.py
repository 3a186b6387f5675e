"""What is settled about a run before it starts: the same for triggers, ticks and children."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.state import RunFacts
from floworch.core.model.ids import uuid7

__all__ = ["NewRuns"]


class NewRuns:
    """``chance`` makes the ids."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def facts(self, plan: FlowPlan, trigger_key: str, now: datetime, **more: Any) -> RunFacts:
        """Of a run of that plan; ``more`` are further fields of :class:`~floworch.core.machine.state.RunFacts`."""
        run_id = uuid7(now, self._chance.getrandbits(80))
        return RunFacts(run_id, plan.flow_id, plan.manifest_hash, trigger_key, now, **more)

    def deadline(
        self, plan: FlowPlan, now: datetime, asked: timedelta | None = None, latest: datetime | None = None
    ) -> datetime | None:
        """``asked`` wins over the limit of the manifest; never after ``latest``."""
        limit = asked or (timedelta(seconds=plan.timeout_seconds) if plan.timeout_seconds else None)
        own = now + limit if limit else None
        return min((moment for moment in (own, latest) if moment is not None), default=None)
