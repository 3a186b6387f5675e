"""A run in the hands of the code that started or found it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from floworch.core.engine.retries import RetriedSteps
from floworch.core.explain import Explanation
from floworch.core.model.records import HistoryEvent
from floworch.core.model.signals import SignalResult
from floworch.core.model.status import RunStatus
from floworch.results import RunResult

if TYPE_CHECKING:
    from floworch.orchestrator import FlowOrchestrator

__all__ = ["RunHandle"]


class RunHandle:
    """``duplicate`` tells that the idempotency key was known, and that this is the run it started then."""

    def __init__(self, orchestrator: FlowOrchestrator, run_id: UUID, *, duplicate: bool = False) -> None:
        self._orchestrator = orchestrator
        self.run_id = run_id
        self.duplicate = duplicate

    def __repr__(self) -> str:
        return f"RunHandle({self.run_id})"

    async def wait(self, timeout: float | None = None) -> RunResult:
        """The result once the run has ended. Raises WaitTimeout after ``timeout`` seconds; the run goes on."""
        return await self._orchestrator.wait(self.run_id, timeout=timeout)

    async def result(self) -> RunResult:
        """The run as it is now."""
        return await self._orchestrator.get_run(self.run_id)

    async def status(self) -> RunStatus:
        return (await self._orchestrator.get_run(self.run_id, payloads=False)).status

    async def cancel(self, reason: str | None = None, *, by: str | None = None) -> None:
        """Stop the run. Raises InvalidTransition when it has ended."""
        await self._orchestrator.cancel(self.run_id, reason, by=by)

    async def suspend(self, reason: str | None = None, *, by: str | None = None) -> None:
        """Start no more steps of the run until it is resumed. Raises InvalidTransition."""
        await self._orchestrator.suspend(self.run_id, reason, by=by)

    async def resume(self, *, by: str | None = None) -> None:
        """Go on with the suspended run. Raises InvalidTransition."""
        await self._orchestrator.resume(self.run_id, by=by)

    async def complete_step(
        self, step_key: str, output: Any = None, *, reason: str | None = None, by: str | None = None
    ) -> None:
        """End a step as ``Succeeded``. Raises StepNotFound, InvalidTransition."""
        await self._orchestrator.complete_step(self.run_id, step_key, output, reason=reason, by=by)

    async def fail_step(self, step_key: str, reason: str, *, by: str | None = None) -> None:
        """End a step as ``Failed``. Raises StepNotFound, InvalidTransition."""
        await self._orchestrator.fail_step(self.run_id, step_key, reason, by=by)

    async def skip_step(self, step_key: str, reason: str, *, by: str | None = None) -> None:
        """End a step as ``Skipped``. Raises StepNotFound, InvalidTransition."""
        await self._orchestrator.skip_step(self.run_id, step_key, reason, by=by)

    async def run_step_now(self, step_key: str, *, by: str | None = None) -> None:
        """Let a step that waits for a time go on at once. Raises StepNotFound, InvalidTransition."""
        await self._orchestrator.run_step_now(self.run_id, step_key, by=by)

    async def signal(
        self, name: str, payload: Any = None, *, deduplication_id: str | None = None, connection: object | None = None
    ) -> SignalResult:
        """Send a signal; see :meth:`FlowOrchestrator.signal <floworch.orchestrator.FlowOrchestrator.signal>`."""
        return await self._orchestrator.signal(
            self.run_id, name, payload, deduplication_id=deduplication_id, connection=connection
        )

    async def retry(self, step_key: str, *, by: str | None = None) -> None:
        """Run a failed step again. Raises StepNotFound, InvalidTransition."""
        await self._orchestrator.retry(self.run_id, step_key, by=by)

    async def explain(self, step_key: str | None = None) -> Explanation:
        """Why the run, or one of its steps, is where it is. Raises StepNotFound."""
        return await self._orchestrator.explain(self.run_id, step_key)

    async def retry_failed(self, *, by: str | None = None) -> RetriedSteps:
        """Run all failed steps again. Raises InvalidTransition when there is nothing to retry."""
        return await self._orchestrator.retry_failed(self.run_id, by=by)

    async def rerun(self, **arguments: Any) -> RunHandle:
        """Start the flow once more; see :meth:`FlowOrchestrator.rerun <floworch.copies.RunCopies.rerun>`."""
        return await self._orchestrator.rerun(self.run_id, **arguments)

    async def fork(self, from_step: str, **arguments: Any) -> RunHandle:
        """Start a run that goes on from that step; see
        :meth:`FlowOrchestrator.fork <floworch.copies.RunCopies.fork>`."""
        return await self._orchestrator.fork(self.run_id, from_step, **arguments)

    def events(self, *, follow: bool = True) -> AsyncIterator[HistoryEvent]:
        """History from the beginning; with ``follow`` it goes on live until the run has ended."""
        return self._orchestrator.events(self.run_id, follow=follow)
