"""New runs made of older ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

from floworch.arguments import checked_by, checked_key, checked_payload, checked_run_id
from floworch.control import RunControl
from floworch.core.engine.requests import Started
from floworch.core.engine.reruns import KEEP, Body
from floworch.core.model.payload import Json
from floworch.errors import ConfigurationError
from floworch.handle import RunHandle

if TYPE_CHECKING:
    from floworch.orchestrator import FlowOrchestrator

__all__ = ["RunCopies"]


class RunCopies(RunControl):
    """The part of :class:`~floworch.orchestrator.FlowOrchestrator` that makes new runs of older ones."""

    async def rerun(
        self,
        run_id: UUID | str,
        *,
        body: Any = KEEP,
        version: Literal["same", "latest"] = "same",
        idempotency_key: str | None = None,
        by: str | None = None,
    ) -> RunHandle:
        """Start the flow of a run once more: with the same trigger, headers and priority, and the same body unless you
        give another one. The run that is given stays as it is.

        The new run has the version of the older one, or, with ``version="latest"``, the one that is registered now.
        Raises RunNotFound, FlowNotFound, FlowDisabled, InvalidPayload, StorageUnavailable.
        """
        if version not in ("same", "latest"):
            raise ConfigurationError(f"version is 'same' or 'latest', not {version!r}")
        started = await self._engine.reruns.rerun(
            checked_run_id(run_id), self._body(body), version, checked_key(idempotency_key), checked_by(by)
        )
        return self._handle_of(started)

    async def fork(
        self,
        run_id: UUID | str,
        from_step: str,
        *,
        body: Any = KEEP,
        inputs: Mapping[str, Json] | None = None,
        by: str | None = None,
    ) -> RunHandle:
        """Start a new run that goes on from a step of an older one, which stays as it is.

        What does not come after the step is taken over as it has ended, and does not run again: outputs, failures,
        skips, ended iterations. The step, what comes after it, and what had not ended in the older run is planned anew.
        ``inputs`` are merged into those of the step, for the new run alone.
        Raises RunNotFound, StepNotFound, InvalidTransition when what came later has changed what the step would rest
        on, FlowValidationError for inputs that make no sense, FlowNotFound, FlowDisabled, InvalidPayload.
        """
        started = await self._engine.reruns.fork(
            checked_run_id(run_id), from_step, self._body(body), inputs, checked_by(by)
        )
        return self._handle_of(started)

    def _body(self, body: Any) -> Body:
        if body is KEEP or body is None:
            return cast("Body", body)
        return checked_payload(body, "the trigger body", self._engine.settings.max_payload_bytes)

    def _handle_of(self, started: Started) -> RunHandle:
        return RunHandle(cast("FlowOrchestrator", self), started.run_id, duplicate=started.duplicate)
