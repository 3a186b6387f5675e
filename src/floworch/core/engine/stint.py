"""What one slot does: an attempt, and after it the step that its report has started, until nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from floworch.core.engine.attempt import Attempt
from floworch.core.engine.committer import Committer
from floworch.core.engine.execution import Executor
from floworch.core.engine.leases import Leases
from floworch.core.engine.reply import Reply
from floworch.core.engine.report import Report
from floworch.core.engine.requests import Commanding, started_by
from floworch.core.engine.within import DirectCommits
from floworch.core.machine.commands import ClaimOffer, Command, StepReleased
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.transition import Transition
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import FloworchError, StorageError

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["Stint", "Workplace"]


@dataclass(slots=True, eq=False)
class Workplace:
    """What all slots of a process work with."""

    committer: Committer
    direct: DirectCommits
    executor: Executor
    leases: Leases
    offer: ClaimOffer
    storage_patience: timedelta
    lease_seconds: float
    log: FilteringBoundLogger
    is_stopping: bool = False
    """What is reported from now on starts nothing in its place."""


class Stint:
    """The attempts of one slot, one after the other.

    The handlers have tasks of their own, and their ends and the answers of the committer are callbacks here: so the
    slot sleeps until all is over, and a step takes no turn of the event loop but the one that starts its handler.
    """

    __slots__ = ("_is_stopped", "_over", "_request", "_task", "_workplace", "attempt", "lease_seconds", "step")

    def __init__(self, workplace: Workplace, step: StartedStep) -> None:
        self._workplace = workplace
        self.step = step
        self.lease_seconds = workplace.lease_seconds
        self.attempt: Attempt | None = None
        """The one under way."""
        self._request: Commanding | None = None
        """The report on its way."""
        self._task: asyncio.Task[None] | None = None
        self._over: Reply[None] = Reply()
        self._is_stopped = False

    async def run(self) -> None:
        """Returns when nothing is left to do. When cancelled, the attempt under way is ended or handed back first."""
        self._workplace.leases.hold(self)
        self._workplace.committer.forget_claim(self.step)
        self._begin(self.step)
        try:
            await self._over.get()
        except asyncio.CancelledError:
            self._stop()
            await self._over.get()
            raise

    def _stop(self) -> None:
        """The worker stops. What is about to be reported still is, but nothing follows in its place."""
        self._is_stopped = True
        if self._request is not None:
            self._request.offer = self._request.patience = self._request.patient_until = None
        elif self.attempt is not None:
            self.attempt.stop()

    def _begin(self, step: StartedStep) -> None:
        self.step = step
        self.lease_seconds = self._workplace.lease_seconds
        self.attempt = Attempt(self._workplace.executor, self)
        self.attempt.begin()

    def attempted(self, came: Report | Exception | asyncio.CancelledError) -> None:
        """The attempt is over, or could not be made: then another worker may have the step at once."""
        self.attempt = None
        if isinstance(came, Report):
            if came.transaction is None:
                self._report(came.command)
            else:
                self._go_on(self._complete(came, came.transaction))
        elif isinstance(came, asyncio.CancelledError):
            self._go_on(self._hand_back_and_end())
        elif isinstance(came, StorageError):
            self._go_on(self._hand_back_and_end(came))
        else:
            self._fail(came)

    # -- reporting

    def _report(self, command: Command) -> None:
        """Have the result committed, also when the worker is stopped meanwhile."""
        workplace, stops = self._workplace, self._is_stopped
        offer = None if stops or workplace.is_stopping else workplace.offer
        patience = None if stops else workplace.storage_patience
        self._request = Commanding(self.step.run_id, command, offer, Reply(self), patience)
        workplace.committer.put(self._request)

    def answered(self, reply: Reply[Transition]) -> None:
        """The report is committed, or refused."""
        self._request = None
        try:
            transition = reply.answer()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not for who tells
            self._fail(error)
        else:
            self._follow(transition)

    async def _complete(self, report: Report, transaction: StoreTransaction) -> None:
        """Commit the result in the handler's transaction. When the worker is stopped meanwhile, it is waited for."""
        offer = None if self._is_stopped or self._workplace.is_stopping else self._workplace.offer
        try:
            transition = await self._workplace.direct.commit(transaction, self.step.run_id, report.command, offer)
        except StorageError as error:
            assert report.instead_of is not None
            self._workplace.log.warning("transaction_failed", error=str(error), **_names(self.step))
            if self._is_stopped:
                await self._hand_back_and_end()
            else:
                self._report(report.instead_of(error))
        else:
            self._follow(transition)

    def _follow(self, transition: Transition) -> None:
        """The result is committed: go on with the step that it has started."""
        following = started_by(self.step.run_id, transition)
        if following is None:
            self._end()
            return
        if self._is_stopped:
            self.step = following
            self._go_on(self._hand_back_and_end())
        else:
            self._begin(following)

    # -- without a result

    async def _hand_back_and_end(self, error: StorageError | None = None) -> None:
        """Let another worker have the step at once instead of when the lease is over. After an error of the store that
        may take its time."""
        command = StepReleased(self.step.step_key, self.step.attempt)
        patience = None if error is None else self._workplace.storage_patience
        request = Commanding(self.step.run_id, command, None, Reply(), patience)
        self._workplace.committer.put(request)
        try:
            await request.reply.get()
        except (FloworchError, Fenced) as refusal:
            self._workplace.log.warning("release_failed", error=str(refusal), **_names(self.step))
        if error is not None:
            self._fail(error)
        else:
            self._end()

    def _fail(self, error: Exception) -> None:
        """The attempt has no result that counts."""
        if isinstance(error, Fenced):
            self._workplace.log.warning("completion_fenced", reason=str(error), **_names(self.step))
        elif isinstance(error, FloworchError):
            self._workplace.log.error("attempt_lost", error=str(error), **_names(self.step))
        else:
            self._end(error)
            return
        self._end()

    def _end(self, error: Exception | None = None) -> None:
        """Nothing is left to do here."""
        self._workplace.leases.let_go(self)
        if error is None:
            self._over.tell(None)
        else:
            self._over.tell_error(error)

    def _go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what takes turns of the event loop. It is not cancelled when the worker stops: what it does is short, and
        has to be done."""
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._has_gone_on)

    def _has_gone_on(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # with the whole event loop
            self._end()
        elif isinstance(error := task.exception(), Exception):
            self._fail(error)


def _names(step: StartedStep) -> dict[str, Any]:
    return {"run_id": str(step.run_id), "step_key": step.step_key, "attempt": step.attempt}
