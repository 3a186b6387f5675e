"""The built-in step type ``Delay``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field

from floworch.core.handlers.context import StepContext
from floworch.core.handlers.results import StepResult
from floworch.core.handlers.spec import step_handler

__all__ = ["delay"]

_TEN_YEARS_SECONDS = 10 * 366 * 86_400
Seconds = Annotated[float, Field(ge=0, le=_TEN_YEARS_SECONDS)]


@step_handler("Delay", executor="loop")
def delay(ctx: StepContext, seconds: Seconds | None = None, until: AwareDatetime | None = None) -> StepResult:
    """Wait for a number of seconds, or until an instant. No worker waits, and a restart neither shortens nor repeats
    it."""
    if (seconds is None) == (until is None):
        return StepResult.failed(
            "A Delay takes either 'seconds' or 'until' (a time with its offset, such as 2030-01-31T08:00:00Z): "
            "exactly one of them.",
            type="BindingError",
            retryable=False,
        )
    now = ctx.now
    end = until if until is not None else (ctx.first_started_at or now) + timedelta(seconds=seconds or 0)
    return _wait_until(end, end if ctx.hurried else now)


def _wait_until(end: datetime, now: datetime) -> StepResult:
    remaining = end - now
    if remaining <= timedelta():
        return StepResult.succeeded({"until": end})
    return StepResult.deferred(remaining, {"until": end})
