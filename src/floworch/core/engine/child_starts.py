"""From what a ``RunFlow`` step asks for to the run that it starts."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from floworch.core.engine.new_runs import NewRuns
from floworch.core.engine.plans import Plans
from floworch.core.engine.settings import EngineSettings
from floworch.core.engine.time_limits import LimitedBy, TimeLimit
from floworch.core.handlers.results import StartsChild
from floworch.core.machine.commands import ChildStart, Command, StartChild, StepFailed, StepSucceeded
from floworch.core.machine.state import ParentStep, RunState
from floworch.core.model.child_types import RUN_FLOW
from floworch.core.model.payload import Payload
from floworch.core.model.records import StepError
from floworch.core.ports.storage import AttemptKey
from floworch.errors import ExpressionError, InvalidPayload

__all__ = ["ChildStarts", "without_child"]


class ChildStarts:
    """Plans the runs that steps ask for."""

    def __init__(self, plans: Plans, settings: EngineSettings, new_runs: NewRuns) -> None:
        self._plans = plans
        self._settings = settings
        self._new_runs = new_runs

    def command(
        self, parent: RunState, step: AttemptKey, asked: StartsChild, given: Payload | None, now: datetime
    ) -> Command:
        """The command to start the child, or the failure of the step that cannot have one."""
        plan = self._plans.current_by_name(asked.flow)
        depth = 1 + (parent.facts.parent.depth if parent.facts.parent else 0)
        if plan is None:
            return _refused(step, "FlowNotFound", f"no flow {asked.flow!r} is registered in this process", given)
        if depth > self._settings.max_run_depth:
            message = f"the run is {depth - 1} levels below its first ancestor; max_run_depth allows for no more"
            return _refused(step, "TooDeep", message, given)
        try:
            facts = self._new_runs.facts(
                *(plan, RUN_FLOW, now, asked.body, asked.headers),
                idempotency_key=asked.idempotency_key,
                priority=parent.facts.priority,
                parent=ParentStep(step.run_id, step.step_key, step.attempt, asked.waits, depth),
            )
        except (ExpressionError, InvalidPayload) as error:
            return _refused(step, type(error).__name__, f"the run of {asked.flow!r} cannot start: {error}", given)
        seconds = asked.timeout_seconds
        limit = None if seconds is None else TimeLimit(timedelta(seconds=seconds), LimitedBy.START)
        # A child that is waited for lives no longer than its parent.
        deadline = self._new_runs.deadline(plan, now, limit, parent.deadline if asked.waits else None)
        child = ChildStart(facts, plan, deadline.at, asked.body, asked.headers, deadline.told)
        return StartChild(step.step_key, step.attempt, child, asked.on_failure, given)


def without_child(command: StartChild, owner: UUID) -> Command:
    """What becomes of the step when the idempotency key belongs to another run, which tells its own parent and nobody
    else of its end."""
    parent = command.child.facts.parent
    if parent is not None and not parent.waits:
        return StepSucceeded(command.step_key, command.attempt, Payload.of({"runId": owner}), command.input)
    key = command.child.facts.idempotency_key
    message = f"the idempotency key {key!r} belongs to the run {owner}, which this step did not start just now"
    error = StepError("IdempotencyConflict", message, retryable=False)
    return StepFailed(command.step_key, command.attempt, error, None, command.input)


def _refused(step: AttemptKey, kind: str, message: str, given: Payload | None) -> StepFailed:
    return StepFailed(step.step_key, step.attempt, StepError(kind, message, retryable=False), None, given)
