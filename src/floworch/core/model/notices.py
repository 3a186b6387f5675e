"""What is told of runs that have failed, to whom, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from floworch.core.model.payload import Json
from floworch.core.model.records import RunRecord, StepRecord
from floworch.core.model.status import RunStatus
from floworch.errors import ConfigurationError

__all__ = ["FailedStep", "FailureNotice", "Notifier", "Throttle", "failed_steps"]

_MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A step that has failed for good, whether or not a later step made up for it."""

    key: str
    type: str
    attempt: int
    error_type: str
    message: str
    ended_at: datetime | None

    def to_json(self) -> dict[str, Json]:
        return {
            "key": self.key,
            "type": self.type,
            "attempt": self.attempt,
            "error": {"type": self.error_type, "message": self.message},
            "endedAt": _instant(self.ended_at),
        }


@dataclass(frozen=True, slots=True)
class FailureNotice:
    """A run that has ended badly. Holds no inputs, outputs or tracebacks."""

    run: RunRecord
    failed_steps: Sequence[FailedStep]
    """The first ones to fail, at most 20."""
    failed_count: int
    """How many steps have failed in all."""
    suppressed: int = 0
    """Ends of runs of the same flow that this process has not told of since the notice before, for its throttle."""
    link: str | None = None
    """From the template that was given with the notifier."""
    attempt: int = 1
    """Which attempt to deliver the notice this is."""

    @property
    def flow_name(self) -> str:
        return self.run.flow_name

    @property
    def tags(self) -> Mapping[str, str]:
        return self.run.tags

    @property
    def error(self) -> str:
        """Why the run ended as it did, in one line."""
        if self.run.status is RunStatus.FAILED and self.failed_steps:
            first = self.failed_steps[0]
            return f"step {first.key!r} failed: {first.message}"
        return self.run.stop_reason or str(self.run.status)

    def to_json(self) -> dict[str, Json]:
        """The body that a webhook sends."""
        run = self.run
        return {
            "event": "run.ended",
            "run": {
                "id": str(run.id),
                "flowId": str(run.flow_id),
                "flow": run.flow_name,
                "version": run.flow_version,
                "status": str(run.status),
                "trigger": run.trigger_key,
                "startedAt": _instant(run.started_at),
                "endedAt": _instant(run.ended_at),
                "parentRunId": None if run.parent_run_id is None else str(run.parent_run_id),
                "tags": dict(run.tags),
            },
            "error": self.error,
            "failedSteps": [step.to_json() for step in self.failed_steps],
            "failedCount": self.failed_count,
            "suppressed": self.suppressed,
            "link": self.link,
            "attempt": self.attempt,
        }


Notifier: TypeAlias = Callable[[FailureNotice], Awaitable[Any] | Any]
"""Tells somebody. What it returns is ignored; when it raises, it is called again later."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """At most ``limit`` notices of each flow in any ``period`` (seconds, if a number), counted in each process."""

    limit: int
    period: timedelta | float = 3600.0

    def __post_init__(self) -> None:
        if type(self.limit) is not int or self.limit < 1:
            raise ConfigurationError(f"{self!r}: limit must be a whole number, at least 1")
        if not self.seconds > 0:  # neither is what is no number
            raise ConfigurationError(f"{self!r}: period must be more than 0 seconds")

    @property
    def seconds(self) -> float:
        """The period."""
        return self.period.total_seconds() if isinstance(self.period, timedelta) else self.period


def failed_steps(steps: Sequence[StepRecord]) -> list[FailedStep]:
    """The failed ones of these, those that made others fail before the blocks around them; at most 20."""
    blamed = sorted(steps, key=lambda step: (step.is_block, step.ended_at is None, step.ended_at, step.key))
    return [_failed_step(step) for step in blamed[:_MOST_STEPS]]


def _failed_step(step: StepRecord) -> FailedStep:
    error = step.error or {}
    kind, message = str(error.get("type") or "StepFailed"), str(error.get("message") or step.reason or "")
    return FailedStep(step.key, step.type, step.attempt, kind, message, step.ended_at)


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
