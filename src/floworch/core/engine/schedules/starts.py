"""Runs that a tick starts: planned before they are written, and followed once they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from floworch.core.engine.batch import RunWork, start_work
from floworch.core.engine.new_runs import NewRuns
from floworch.core.engine.plans import Plans
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Starting
from floworch.core.engine.runs import Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import Json, Payload
from floworch.core.ports.storage import Creation

__all__ = ["TickRuns", "run_id_of"]


class TickRuns:
    """``on_committed`` is called as by the :class:`~floworch.core.engine.committer.Committer`."""

    def __init__(
        self,
        plans: Plans,
        runs: Runs,
        settings: EngineSettings,
        new_runs: NewRuns,
        on_committed: Callable[[RunState, Transition], None],
    ) -> None:
        self._plans = plans
        self._runs = runs
        self._settings = settings
        self._new_runs = new_runs
        self._on_committed = on_committed

    def plan(self, flow_id: UUID, trigger_key: str, scheduled_at: datetime, inputs: Json, now: datetime) -> RunWork:
        """A run for that tick. Raises FloworchError when it cannot start."""
        plan = self._plans.current_of(flow_id)
        body = None if inputs is None else Payload.of(inputs, max_bytes=self._settings.max_payload_bytes)
        facts = self._new_runs.facts(plan, trigger_key, now, body, None, scheduled_at=scheduled_at)
        deadline = self._new_runs.deadline(plan, now)
        return start_work(Starting(facts, plan, deadline.at, body, None, None, Reply(), deadline.told), now)

    def creation(self, work: RunWork, now: datetime) -> Creation:
        """What the store has to write."""
        return work.creation(self._settings.worker_id, now)

    def committed(self, works: Iterable[RunWork]) -> None:
        """The store has written them: let their steps be taken."""
        for work in works:
            work.committed()
            if not work.run.state.status.is_final:
                self._runs.put(work.run)
            for _, transition in work.done:
                self._on_committed(work.run.state, transition)


def run_id_of(work: RunWork) -> UUID:
    """The run's id."""
    return work.run.state.facts.run_id
