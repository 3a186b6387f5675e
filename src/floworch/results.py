"""Runs as callers see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from floworch.core.dag.keys import COMPENSATE, enclosing_scopes, scope_of, split_scope
from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import FlowPlan
from floworch.core.engine.plans import Plans
from floworch.core.engine.reuse import reused_from
from floworch.core.machine.block_output import has_own_output, output_of, state_payload
from floworch.core.machine.state import RunFacts
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import RunRecord, StepRecord
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.ports.storage import Storage
from floworch.errors import ManifestNotUnderstood, RunNotFound

__all__ = ["RunResult", "add_steps", "read_run", "result_keys"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run and its steps, as they were when it was read.

    ``steps`` maps run-time step keys to what is known of them, in the order in which they became ready; steps that
    still wait for others are not there yet.
    """

    run: RunRecord
    steps: Mapping[str, StepRecord]
    result_keys: Sequence[str] = ()
    """Keys of the steps that make up :attr:`output`. Empty when the run was read without payloads."""

    @property
    def output(self) -> Json:
        """What a ``RunFlow`` step gets of the run: the output of its last step or, where it has several, an object of
        step key → output, null for a step that did not succeed. None for a run that has not succeeded."""
        if not self.succeeded:
            return None
        found = ((key, self.steps.get(key)) for key in self.result_keys)
        outputs = {key: step.output if step and step.status is StepStatus.SUCCEEDED else None for key, step in found}
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs or None

    @property
    def run_id(self) -> UUID:
        return self.run.id

    @property
    def status(self) -> RunStatus:
        return self.run.status

    @property
    def succeeded(self) -> bool:
        return self.run.status is RunStatus.SUCCEEDED

    @property
    def error(self) -> str | None:
        """Why the run did not succeed, in one line: the stop, or the first step that failed for good."""
        if self.run.status in (RunStatus.CANCELLED, RunStatus.TIMED_OUT):
            return self.run.stop_reason or str(self.run.status)
        if self.run.status is not RunStatus.FAILED:
            return None
        if self.failed_compensations:
            return f"not everything is undone: {', '.join(map(self._failure_of, self.failed_compensations))}"
        failed = [step for step in self.steps.values() if step.status is StepStatus.FAILED]
        first = min((step for step in failed if not self._is_made_up_for(step)), key=self._blame, default=None)
        return None if first is None else self._failure_of(first.key)

    @property
    def failed_compensations(self) -> list[str]:
        """Keys of the compensations that have failed for good: what they undo is left, until they are retried."""
        return [
            key
            for key, step in self.steps.items()
            if step.status is StepStatus.FAILED and split_scope(scope_of(key))[1] == COMPENSATE
        ]

    def _failure_of(self, key: str) -> str:
        return f"step {key!r} failed: {self.steps[key].reason}"

    def _is_made_up_for(self, step: StepRecord) -> bool:
        """Whether a block around the step has succeeded all the same."""
        blocks = (split_scope(scope)[0] for scope in enclosing_scopes(scope_of(step.key)) if scope)
        return any(key in self.steps and self.steps[key].status is StepStatus.SUCCEEDED for key in blocks)

    def _blame(self, step: StepRecord) -> tuple[bool, datetime]:
        """Earliest first, and loops last: most have failed because of a step inside."""
        return step.is_block, step.ended_at or self.run.started_at

    @property
    def attempts(self) -> Mapping[str, int]:
        """Attempts by step key."""
        return {key: step.attempt for key, step in self.steps.items()}

    @property
    def duration(self) -> timedelta | None:
        """None while the run is running."""
        return None if self.run.ended_at is None else self.run.ended_at - self.run.started_at

    @property
    def started_at(self) -> datetime:
        return self.run.started_at


async def read_run(store: Storage, plans: Plans, run_id: UUID, *, payloads: bool = True) -> RunResult:
    """The run with its steps. Raises RunNotFound."""
    run = await store.get_run(run_id)
    if run is None:
        raise RunNotFound(f"there is no run {run_id}")
    return await add_steps(store, plans, run, payloads=payloads)


async def add_steps(store: Storage, plans: Plans, run: RunRecord, *, payloads: bool = True) -> RunResult:
    """A run that was read already, with its steps."""
    steps = {step.key: step for step in await store.list_steps(run.id, payloads=payloads)}
    if run.source_run_id is not None:
        for key, origin in (await reused_from(store, run.id, steps)).items():
            steps[key] = replace(steps[key], reused_from=origin)
    if not payloads:
        return RunResult(run, steps)
    try:
        plan = await plans.of(_facts(run))
    except ManifestNotUnderstood:  # what the store has of the steps can be told all the same
        return RunResult(run, steps)
    if any(step.progress is not None for step in steps.values()):
        await _add_block_outputs(store, plan, run.id, steps)
    return RunResult(run, steps, result_keys(plan))


def result_keys(plan: FlowPlan) -> list[str]:
    """Keys of the steps whose outputs are that of the run."""
    return [step.key for step in plan.root.results]


async def _add_block_outputs(store: Storage, plan: FlowPlan, run_id: UUID, steps: dict[str, StepRecord]) -> None:
    known: dict[PayloadRef, Payload | None] = {
        PayloadRef(PayloadKind.STATE, key): state_payload(step.status, step.progress) for key, step in steps.items()
    }
    for key, output in (await store.load_outputs(run_id, "")).items():
        known[PayloadRef(PayloadKind.OUTPUT, key)] = output
    for step in [step for step in steps.values() if step.status is StepStatus.SUCCEEDED]:
        step_plan = find_step(plan, step.key)
        if step_plan is not None and not has_own_output(step_plan):
            steps[step.key] = replace(step, output=output_of(step_plan, step.key, known))


def _facts(run: RunRecord) -> RunFacts:
    return RunFacts(run.id, run.flow_id, run.manifest_hash, run.trigger_key, run.started_at)
