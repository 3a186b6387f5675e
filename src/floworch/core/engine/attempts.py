"""The attempts of this process: claimed, run and reported, one after the other in the same slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from floworch.core.engine.committer import Committer
from floworch.core.engine.execution import Executor
from floworch.core.engine.leases import Lease, Leases
from floworch.core.engine.reply import Reply
from floworch.core.engine.report import Report
from floworch.core.engine.requests import Claiming, Commanding
from floworch.core.engine.settings import EngineSettings
from floworch.core.engine.within import DirectCommits
from floworch.core.engine.worklist import Worklist
from floworch.core.machine.commands import ClaimOffer, Command, StepReleased
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.transition import Transition
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import ReadyStep
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import FloworchError, StorageError, StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Attempts", "started_by"]


class Attempts:
    """What a runtime calls: a :class:`~floworch.core.ports.runtime.StepRunner`."""

    def __init__(
        self,
        committer: Committer,
        direct: DirectCommits,
        executor: Executor,
        leases: Leases,
        worklist: Worklist,
        offer: ClaimOffer,
        clock: Clock,
        settings: EngineSettings,
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._committer = committer
        self._direct = direct
        self._executor = executor
        self._leases = leases
        self._worklist = worklist
        self._offer = offer
        self._clock = clock
        self._storage_patience = timedelta(seconds=settings.storage_patience_seconds)
        self._is_stopping = False
        self.has_room: Callable[[], None] = worklist.has_room

    def start_no_more(self) -> None:
        """The worker stops: what is reported from now on starts nothing in its place."""
        self._is_stopping = True

    async def claim(self, tasks: Sequence[ReadyStep]) -> list[StartedStep]:
        requests = [
            Claiming(task, self._offer, self._worklist.lease_seconds(task), Reply(), self._worklist.quotas_of(task))
            for task in tasks
        ]
        for request in requests:
            self._committer.put(request)
        started = [_taken(request.task) for request in requests if await self._is_won(request)]
        if any(request.was_refused for request in requests):
            self._worklist.was_refused()
        return started

    async def _is_won(self, claim: Claiming) -> bool:
        """A claim that failed is lost: its step will be found again."""
        error = await claim.reply.error()
        if error is None:
            return await claim.reply.get()
        if not isinstance(error, StorageUnavailable):
            step = _taken(claim.task)
            self._log.warning("claim_failed", run_id=str(step.run_id), step_key=step.step_key, error=str(error))
        return False

    async def run(self, step: StartedStep) -> None:
        current: StartedStep | None = step
        while current is not None:
            current = await self._run_one(current)

    async def _run_one(self, step: StartedStep) -> StartedStep | None:
        """Run one attempt and report it; returns the step that was started in its place."""
        lease = self._leases.hold(step)
        try:
            report = await self._execute(lease)
            if report.transaction is None:
                transition = await self._report(step, report.command)
            else:
                transition = await self._complete(step, report, report.transaction)
        except Fenced as refusal:
            self._log.warning("completion_fenced", reason=str(refusal), **_names(step))
            return None
        except FloworchError as error:
            self._log.error("attempt_lost", error=str(error), **_names(step))
            return None
        finally:
            self._leases.let_go(lease)
            self._committer.forget_claim(step)
        return started_by(step.run_id, transition) if transition.claimed else None

    async def _execute(self, lease: Lease) -> Report:
        """Run one attempt. When the worker stops, or cannot read its inputs, another one may have the step at once."""
        try:
            return await self._executor.run(lease)
        except asyncio.CancelledError:
            await self._hand_back(lease.step)
            raise
        except StorageError:
            await self._hand_back(lease.step, self._patience())
            raise

    async def _complete(self, step: StartedStep, report: Report, transaction: StoreTransaction) -> Transition:
        """Commit the result in the handler's transaction."""
        offer = None if self._is_stopping else self._offer
        committing = asyncio.ensure_future(self._direct.commit(transaction, step.run_id, report.command, offer))
        try:
            return await asyncio.shield(committing)
        except asyncio.CancelledError:
            await self._end_with(step, committing)
            raise
        except StorageError as error:
            self._log.warning("transaction_failed", error=str(error), **_names(step))
            return await self._report(step, report.instead_of(error))

    async def _end_with(self, step: StartedStep, committing: asyncio.Future[Transition]) -> None:
        """The worker stops: wait for the commit, and hand back what it has started or could not complete."""
        try:
            transition = await committing
        except (FloworchError, Fenced):
            await self._hand_back(step)
        else:
            if transition.claimed:
                await self._hand_back(started_by(step.run_id, transition))

    async def _report(self, step: StartedStep, command: Command) -> Transition:
        """Have the result committed, also when the worker is stopped meanwhile; then nothing follows in its place."""
        offer = None if self._is_stopping else self._offer
        request = self._request(step.run_id, command, offer, self._patience())
        try:
            return await request.reply.get()
        except asyncio.CancelledError:
            request.offer = request.patient_until = None
            transition = await request.reply.get()
            if transition.claimed:
                claimed = started_by(step.run_id, transition)
                await self._hand_back(claimed)
                self._committer.forget_claim(claimed)
            raise

    async def _hand_back(self, step: StartedStep, patient_until: datetime | None = None) -> None:
        """Let another worker have the step at once instead of when the lease is over."""
        request = self._request(step.run_id, StepReleased(step.step_key, step.attempt), None, patient_until)
        try:
            await request.reply.get()
        except (FloworchError, Fenced) as error:
            self._log.warning("release_failed", error=str(error), **_names(step))

    def _request(
        self, run_id: UUID, command: Command, offer: ClaimOffer | None, patient_until: datetime | None
    ) -> Commanding:
        request = Commanding(run_id, command, offer, Reply(), patient_until)
        self._committer.put(request)
        return request

    def _patience(self) -> datetime:
        return self._clock.now() + self._storage_patience


def started_by(run_id: UUID, transition: Transition) -> StartedStep:
    """The step that the transition has started."""
    key = transition.claimed[0]
    return StartedStep(run_id, key, transition.steps[key].state.attempt)


def _names(step: StartedStep) -> dict[str, Any]:
    return {"run_id": str(step.run_id), "step_key": step.step_key, "attempt": step.attempt}


def _taken(task: ReadyStep) -> StartedStep:
    """What a claim of the step makes of it."""
    return StartedStep(task.run_id, task.step_key, task.attempt + 1)
