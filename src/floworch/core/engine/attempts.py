"""What runtimes ask for: that ready steps are claimed, and that started ones are run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Claiming
from floworch.core.engine.stint import Stint, Workplace
from floworch.core.engine.worklist import Worklist
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import ReadyStep
from floworch.errors import StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Attempts"]


class Attempts:
    """What a runtime calls: a :class:`~floworch.core.ports.runtime.StepRunner`."""

    def __init__(self, workplace: Workplace, worklist: Worklist) -> None:
        self._log = get_library_logger("floworch.engine")
        self._workplace = workplace
        self._worklist = worklist
        self.has_room: Callable[[], None] = worklist.has_room

    def start_no_more(self) -> None:
        """The worker stops: what is reported from now on starts nothing in its place."""
        self._workplace.is_stopping = True

    async def claim(self, tasks: Sequence[ReadyStep]) -> list[StartedStep]:
        offer, worklist = self._workplace.offer, self._worklist
        requests = [
            Claiming(task, offer, worklist.lease_seconds(task), Reply(), worklist.quotas_of(task)) for task in tasks
        ]
        for request in requests:
            self._workplace.committer.put(request)
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

    def run(self, step: StartedStep) -> Coroutine[Any, Any, None]:
        """See :meth:`StepRunner.run <floworch.core.ports.runtime.StepRunner.run>`."""
        return Stint(self._workplace, step).run()


def _taken(task: ReadyStep) -> StartedStep:
    """What a claim of the step makes of it."""
    return StartedStep(task.run_id, task.step_key, task.attempt + 1)
