"""What a handler returned → how its attempt ended."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from floworch.core.handlers.failures import plain_failure
from floworch.core.handlers.results import (
    Deferred,
    ResultKind,
    Skipped,
    StartsChild,
    StepOutcome,
    StepResult,
    Succeeded,
)
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.model.payload import Payload
from floworch.errors import InvalidPayload

__all__ = ["outcome_of"]


def outcome_of(value: Any, max_output_bytes: int | None = None, secrets: Secrets = NO_SECRETS) -> StepOutcome:
    """The outcome of a returned value. An output that cannot be stored fails the attempt for good."""
    try:
        return _outcome(value, max_output_bytes, secrets)
    except InvalidPayload as error:
        _discard_coroutine(value)
        message = secrets.hide(f"The handler's result cannot be stored. {error}")
        return plain_failure(type(error).__name__, message, retryable=False)


def _outcome(value: Any, max_output_bytes: int | None, secrets: Secrets) -> StepOutcome:
    if isinstance(value, StartsChild):
        body = None if value.body is None else secrets.hide_in_payload(value.body)
        return replace(value, body=body)
    if not isinstance(value, StepResult):
        return Succeeded(secrets.hide_in_payload(Payload.of(value, max_bytes=max_output_bytes)))
    if value.kind is ResultKind.SUCCEEDED:
        return Succeeded(secrets.hide_in_payload(Payload.of(value.value, max_bytes=max_output_bytes)))
    if value.kind is ResultKind.DEFERRED:
        output = None if value.value is None else Payload.of(value.value, max_bytes=max_output_bytes)
        return Deferred(value.after, None if output is None else secrets.hide_in_payload(output))
    if value.kind is ResultKind.SKIPPED:
        return Skipped(secrets.hide(value.reason))
    return plain_failure(
        secrets.hide(value.error_type),
        secrets.hide(value.reason),
        retryable=value.retryable,
        retry_after=value.retry_after,
    )


def _discard_coroutine(value: Any) -> None:
    """A coroutine that nobody awaits is refused by the encoder; closing it keeps Python from warning about it as
    well."""
    if inspect.iscoroutine(value):
        value.close()
