"""How an attempt ended: what handlers return (:class:`StepResult`) and what the engine gets (:data:`StepOutcome`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, TypeAlias

from floworch.core.model.payload import Payload
from floworch.core.model.records import StepError

__all__ = ["Deferred", "Failed", "ResultKind", "Skipped", "StartsChild", "StepOutcome", "StepResult", "Succeeded"]


class ResultKind(Enum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEFERRED = "deferred"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a handler returns when a plain value does not say enough. Made by the class methods."""

    kind: ResultKind
    value: Any = None
    reason: str = ""
    error_type: str = "StepFailed"
    retryable: bool = True
    after: timedelta = timedelta()
    retry_after: timedelta | None = None

    @classmethod
    def succeeded(cls, value: Any = None) -> StepResult:
        """The same as returning ``value``."""
        return cls(ResultKind.SUCCEEDED, value)

    @classmethod
    def failed(
        cls,
        reason: str,
        *,
        type: str = "StepFailed",
        retryable: bool = True,
        retry_after: timedelta | float | None = None,
    ) -> StepResult:
        """Fail the attempt without a traceback. ``type`` is what ``retry_on`` and ``give_up_on`` compare.

        ``retry_after`` (seconds, if a number) is how long the next attempt waits at least; whether there is one is for
        the retry policy to say. Raises ``ValueError`` for a negative time.
        """
        wait = None if retry_after is None else _duration(retry_after)
        return cls(ResultKind.FAILED, reason=str(reason), error_type=type, retryable=retryable, retry_after=wait)

    @classmethod
    def deferred(cls, after: timedelta | float, output: Any = None) -> StepResult:
        """Call the handler again after that time (seconds, if a number). No worker waits; a restart loses nothing.

        ``output`` is what other steps and people see meanwhile. Raises ``ValueError`` for a negative time.
        """
        return cls(ResultKind.DEFERRED, output, after=_duration(after))

    @classmethod
    def skipped(cls, reason: str) -> StepResult:
        """There was nothing to do: the step ends as Skipped, and so do steps that need it to succeed."""
        return cls(ResultKind.SKIPPED, reason=str(reason))


@dataclass(frozen=True, slots=True)
class Succeeded:
    output: Payload


@dataclass(frozen=True, slots=True)
class Failed:
    """``exception_types`` are the names that retry policies may know the error by; see ``type_names``. If there is a
    next attempt, it waits for ``retry_after`` at least."""

    error: StepError
    exception_types: tuple[str, ...] = ()
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """``output`` is None when the handler gave none."""

    after: timedelta
    output: Payload | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    reason: str


@dataclass(frozen=True, slots=True)
class StartsChild:
    """The step is a run of another flow. Only the built-in ``RunFlow`` comes to this."""

    flow: str
    """Its id or name."""
    body: Payload | None
    headers: Payload | None
    waits: bool
    on_failure: str
    timeout_seconds: float | None
    idempotency_key: str | None


StepOutcome: TypeAlias = Succeeded | Failed | Deferred | Skipped | StartsChild


def _duration(after: timedelta | float) -> timedelta:
    seconds = after.total_seconds() if isinstance(after, timedelta) else after
    if not (math.isfinite(seconds) and 0 <= seconds <= _LONGEST_SECONDS):
        raise ValueError(f"a step cannot wait for {after!r}; give a time from 0 seconds to ten years")
    return after if isinstance(after, timedelta) else timedelta(seconds=after)


_LONGEST_SECONDS = 10 * 366 * 86_400
