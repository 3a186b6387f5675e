"""What is settled about a run before it starts: the same for triggers, ticks and children."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from floworch.core.dag.plan import FlowPlan
from floworch.core.engine.start_values import concurrency_key_of, tags_of
from floworch.core.engine.time_limits import Deadline, LimitedBy, TimeLimit
from floworch.core.machine.state import RunFacts
from floworch.core.model.ids import uuid7
from floworch.core.model.payload import Payload

__all__ = ["NewRuns"]


class NewRuns:
    """``chance`` makes the ids; ``default_seconds`` limit runs for which nobody has said anything else."""

    def __init__(self, chance: Random, default_seconds: float | None) -> None:
        self._chance = chance
        self._default_seconds = default_seconds

    def facts(
        self,
        plan: FlowPlan,
        trigger_key: str,
        now: datetime,
        body: Payload | None,
        headers: Payload | None,
        *,
        tags: Mapping[str, str] | None = None,
        **more: Any,
    ) -> RunFacts:
        """Of a run of that plan; ``tags`` win over the manifest's. ``more`` are further fields of
        :class:`~floworch.core.machine.state.RunFacts`. Raises ExpressionError, InvalidPayload."""
        run_id = uuid7(now, self._chance.getrandbits(80))
        facts = RunFacts(run_id, plan.flow_id, plan.manifest_hash, trigger_key, now, **more)
        if plan.concurrency_key is not None:
            key = concurrency_key_of(plan.concurrency_key, facts, plan, body, headers)
            facts = replace(facts, concurrency_key=key)
        if not plan.tags and not tags:
            return facts
        return replace(facts, tags=tags_of(facts, plan, body, headers, tags or {}))

    def deadline(
        self, plan: FlowPlan, now: datetime, asked: TimeLimit | None = None, latest: datetime | None = None
    ) -> Deadline:
        """``asked`` wins over the limit of the manifest, and that over the default; never after ``latest``, when a run
        that waits for the new one has to be done."""
        limit = asked or self._usual_limit(plan)
        own = None if limit is None else now + limit.length
        if latest is not None and (own is None or latest < own):
            return Deadline(latest, LimitedBy.PARENT)
        return Deadline() if limit is None else Deadline(own, limit.by)

    def _usual_limit(self, plan: FlowPlan) -> TimeLimit | None:
        if plan.timeout_seconds:
            return TimeLimit(timedelta(seconds=plan.timeout_seconds), LimitedBy.FLOW)
        if self._default_seconds:
            return TimeLimit(timedelta(seconds=self._default_seconds), LimitedBy.DEFAULT)
        return None
