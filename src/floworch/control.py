"""What operators do with runs that are under way or have ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from floworch.arguments import checked_by, checked_key, checked_payload, checked_reason, checked_run_id, required_reason
from floworch.core.engine.engine import Engine
from floworch.core.engine.retries import RetriedSteps
from floworch.core.explain import Explanation
from floworch.core.machine.commands import CompleteStep, FailStep, ResumeRun, RunStepNow, SkipStep, SuspendRun
from floworch.core.model.signals import SignalResult, signal_name_fault
from floworch.errors import ConfigurationError

__all__ = ["RunControl"]


class RunControl:
    """The part of :class:`~floworch.orchestrator.FlowOrchestrator` that steers runs.

    ``by`` is free text of up to 200 characters: who does it. The history of the run keeps it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def cancel(self, run_id: UUID | str, reason: str | None = None, *, by: str | None = None) -> None:
        """Stop a run: nothing new starts, waiting steps are skipped, running handlers are asked to stop, and the run
        ends ``Cancelled`` when they have. Raises RunNotFound, InvalidTransition when it has ended or is being stopped.
        """
        await self._engine.stop_run(checked_run_id(run_id), checked_reason(reason), checked_by(by))

    async def suspend(self, run_id: UUID | str, reason: str | None = None, *, by: str | None = None) -> None:
        """Start no more steps of a run until it is resumed. What runs may end, timers and the deadline count, signals
        come; runs that it has started go on. The run is still ``Running``, and cancelling it lifts the suspension.
        Raises RunNotFound, InvalidTransition when it has ended, is suspended already or is being stopped."""
        await self._engine.submit(checked_run_id(run_id), SuspendRun(checked_reason(reason), checked_by(by)))

    async def resume(self, run_id: UUID | str, *, by: str | None = None) -> None:
        """Go on with a suspended run: what has become ready meanwhile is ready now.
        Raises RunNotFound, InvalidTransition for a run that is not suspended."""
        await self._engine.submit(checked_run_id(run_id), ResumeRun(checked_by(by)))

    async def complete_step(
        self,
        run_id: UUID | str,
        step_key: str,
        output: Any = None,
        *,
        reason: str | None = None,
        by: str | None = None,
    ) -> None:
        """End a step that is ready, waits or runs as ``Succeeded``, with that output; the run goes on from there.

        Its handler is asked to stop, and what it reports counts no more; so is a run that the step waits for.
        Raises RunNotFound, StepNotFound, InvalidPayload; InvalidTransition when the step has ended or not begun, and
        for a loop or scope.
        """
        sent = checked_payload(output, "the output", self._engine.settings.max_payload_bytes)
        command = CompleteStep(step_key, sent, checked_reason(reason), checked_by(by))
        await self._engine.submit(checked_run_id(run_id), command)

    async def fail_step(self, run_id: UUID | str, step_key: str, reason: str, *, by: str | None = None) -> None:
        """End a step as ``Failed``, with an error of the type ``FailedByOperator``; no policy tries it again, and
        :meth:`retry` does. Otherwise as :meth:`complete_step`."""
        await self._engine.submit(checked_run_id(run_id), FailStep(step_key, required_reason(reason), checked_by(by)))

    async def skip_step(self, run_id: UUID | str, step_key: str, reason: str, *, by: str | None = None) -> None:
        """End a step as ``Skipped``. Otherwise as :meth:`complete_step`."""
        await self._engine.submit(checked_run_id(run_id), SkipStep(step_key, required_reason(reason), checked_by(by)))

    async def run_step_now(self, run_id: UUID | str, step_key: str, *, by: str | None = None) -> None:
        """Let a step that waits for a time go on at once: for its next attempt or poll, the end of a delay, or the next
        iteration of a loop. Raises RunNotFound, StepNotFound, InvalidTransition when it does not wait for a time."""
        await self._engine.submit(checked_run_id(run_id), RunStepNow(step_key, checked_by(by)))

    async def signal(
        self,
        run_id: UUID | str,
        name: str,
        payload: Any = None,
        *,
        deduplication_id: str | None = None,
        connection: object | None = None,
    ) -> SignalResult:
        """Send a signal to a run; returns when that is durable. A step that waits for it goes on, in the same commit;
        without one, the run keeps the signal for the first step that will.

        Of the signals of a run with the same ``deduplication_id`` the first one counts, and the others are answered
        ``ALREADY_DELIVERED``. With a ``connection`` to the storage's own database the signal is sent in the transaction
        that the caller has open there, as by :meth:`trigger`: it comes if and only if the caller commits.
        Raises RunNotFound; SignalNotExpected when the run has ended; SignalRefused when the steps that wait for the
        signal do not take the payload; InvalidPayload, StorageUnavailable.
        """
        if fault := signal_name_fault(name):
            raise ConfigurationError(fault)
        sent = checked_payload(payload, "the payload", self._engine.settings.max_payload_bytes)
        key = checked_key(deduplication_id, "a deduplication id")
        return await self._engine.signal(checked_run_id(run_id), name, sent, key, connection)

    async def explain(self, run_id: UUID | str, step_key: str | None = None) -> Explanation:
        """Why the run, or one of its steps, is not running, not done, skipped or failed: in plain words and as data.

        Reads only. Raises RunNotFound, and StepNotFound for a step that the run's manifest does not have.
        """
        return await self._engine.explaining.explain(checked_run_id(run_id), step_key)

    async def retry(self, run_id: UUID | str, step_key: str, *, by: str | None = None) -> None:
        """Run a failed step again, and plan anew what was skipped because of it. A run that had ended goes on.
        Raises RunNotFound, StepNotFound, InvalidTransition."""
        await self._engine.retries.retry_step(checked_run_id(run_id), step_key, checked_by(by))

    async def retry_failed(self, run_id: UUID | str, *, by: str | None = None) -> RetriedSteps:
        """Run all failed steps again, also inside loops, in one change: nothing goes on before all of them have ended
        once more. Left out is what cannot be retried by hand, and what runs after another step that is retried.
        Raises RunNotFound, InvalidTransition when there is nothing to retry."""
        return await self._engine.retries.retry_failed(checked_run_id(run_id), checked_by(by))
