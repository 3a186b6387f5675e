"""Retries by hand: the commands for them, with what the planner has put away of the runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from floworch.core.dag.keys import blocks_around, outermost_iteration, split_iteration
from floworch.core.engine.time_limits import time_limit_of
from floworch.core.machine.commands import Command, RetryFailed, RetryStep
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.state import StepState
from floworch.core.machine.transition import Transition
from floworch.core.model.records import RunRecord
from floworch.core.model.status import StepStatus
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import RunNotFound
from floworch.observability.logging import get_library_logger

__all__ = ["RetriedSteps", "Retries"]


@dataclass(frozen=True, slots=True)
class RetriedSteps:
    """What ``retry_failed`` has done: keys of the steps that run again, and of failed ones that do not."""

    retried: list[str]
    left_out: list[str]
    """What later steps or a scope have gone on from, and what runs after a step that is retried."""


class Retries:
    """``submit`` tells a run what has happened to it."""

    def __init__(self, store: Storage, clock: Clock, submit: Callable[[UUID, Command], Awaitable[Transition]]) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._clock = clock
        self._submit = submit

    async def retry_step(self, run_id: UUID, step_key: str, by: str | None = None) -> Transition:
        """Run a failed step again; a run with a time limit gets the whole of it anew."""
        iteration = outermost_iteration(step_key)
        while True:
            run = await self._run(run_id)
            restored, restored_at = {}, None
            if iteration is not None:
                around = iteration if run.stop_kind is None else split_iteration(iteration)[0]
                restored = await self._store.load_iteration_steps(run_id, f"{around}.")
                restored_at = run.revision
            command = RetryStep(step_key, await self._deadline(run), restored, restored_at, by)
            if (done := await self._done(run, command)) is not None:
                return done

    async def retry_failed(self, run_id: UUID, by: str | None = None) -> RetriedSteps:
        """Run all failed steps again, with one change of the run."""
        while True:
            run = await self._run(run_id)
            steps = await self._store.load_iteration_steps(run_id, "")
            failed = [key for key, state in steps.items() if state.status is StepStatus.FAILED]
            restored = _in_iterations_of(failed, steps) if run.stop_kind is None else steps
            restored_at = run.revision if restored else None
            command = RetryFailed(await self._deadline(run), restored, restored_at, by)
            if (done := await self._done(run, command)) is not None:
                return _told(done, failed)

    async def _done(self, run: RunRecord, command: RetryStep | RetryFailed) -> Transition | None:
        """None when the run has moved on since it was read: then the rows that were read may not fit the run."""
        if command.restored_at is not None and (await self._run(run.id)).revision != run.revision:
            return None
        try:
            return await self._submit(run.id, command)
        except Fenced:
            self._log.debug("retry_repeated", run_id=str(run.id))
            return None

    async def _run(self, run_id: UUID) -> RunRecord:
        record = await self._store.get_run(run_id)
        if record is None:
            raise RunNotFound(f"there is no run {run_id}")
        return record

    async def _deadline(self, run: RunRecord) -> datetime | None:
        limit = await time_limit_of(self._store, run)
        return None if limit is None else self._clock.now() + limit.length


def _in_iterations_of(keys: Iterable[str], steps: Mapping[str, StepState]) -> dict[str, StepState]:
    """The steps of the outermost iterations around these."""
    iterations = {outermost_iteration(key) for key in keys} - {None}
    return {key: state for key, state in steps.items() if outermost_iteration(key) in iterations}


def _told(transition: Transition, failed: Iterable[str]) -> RetriedSteps:
    retried = [fact["step"] for fact in transition.facts if fact["type"] == "step.retried"]
    again = {*retried, *(block for key in retried for block in blocks_around(key))}
    return RetriedSteps(retried, [key for key in failed if key not in again])
