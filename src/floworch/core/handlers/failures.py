"""Exceptions of handlers → errors that can be stored and shown."""

from __future__ import annotations

import asyncio
import traceback
from datetime import timedelta
from types import TracebackType

from floworch.core.handlers.binding import BindingError
from floworch.core.handlers.results import Failed
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.model.records import StepError
from floworch.core.policy.retry import type_names
from floworch.errors import ExpressionError, InvalidPayload, NonRetryable, RetryLater

__all__ = ["cancelled", "failed_by", "plain_failure", "timed_out", "worker_died"]

_NEVER_RETRIED = (NonRetryable, ExpressionError, BindingError, InvalidPayload)
_MESSAGE_CHARACTERS = 4_000
_TRACEBACK_CHARACTERS = 16_000
_OWN_MODULES = "floworch.core.handlers."
_BUILTIN_MODULES = "floworch.core.handlers.builtin."


def failed_by(error: BaseException, secrets: Secrets = NO_SECRETS) -> Failed:
    """What an exception means for the attempt. The traceback starts in the handler's own code."""
    return Failed(
        StepError(
            type=type(error).__name__,
            # Hidden before it is cut: a half of a secret would not be found any more.
            message=_bounded(_storable(secrets.hide(_message_of(error))), _MESSAGE_CHARACTERS),
            traceback=_bounded(_storable(secrets.hide(_traceback(error))), _TRACEBACK_CHARACTERS),
            retryable=not isinstance(error, _NEVER_RETRIED),
        ),
        type_names(type(error)),
        error.after if isinstance(error, RetryLater) else None,
    )


def plain_failure(
    error_type: str, message: str, *, retryable: bool = True, retry_after: timedelta | None = None
) -> Failed:
    """A failure without an exception behind it."""
    error = StepError(_storable(error_type), _bounded(_storable(message), _MESSAGE_CHARACTERS), None, retryable)
    return Failed(error, retry_after=retry_after)


def timed_out(timeout_seconds: float) -> Failed:
    """The attempt took longer than its timeout; policies may know it as ``Timeout`` or by ``TimeoutError``."""
    message = f"The handler did not finish within its timeout of {timeout_seconds:g} seconds."
    return Failed(StepError("Timeout", message), type_names(TimeoutError))


def cancelled(reason: str | None) -> Failed:
    """The handler stopped because it was asked to."""
    return plain_failure("Cancelled", reason or "The step was asked to stop.", retryable=False)


def worker_died() -> Failed:
    """The process that ran the handler is gone."""
    return plain_failure(
        "WorkerProcessDied",
        "The process that ran the handler ended without an answer: it was killed (for example for want of memory), "
        "crashed, or "
        "called os._exit().",
    )


def _message_of(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"The handler tried to end the process (exit code {error.code!r}). Raise an error or return a result."
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001  (__str__ is the author's code)
        text = f"<str() of the error failed with {type(broken).__name__}>"
    if isinstance(error, asyncio.CancelledError) and not text:
        return (
            "The handler was cancelled from inside: it awaited something that was cancelled, or raised CancelledError."
        )
    return text


def _traceback(error: BaseException) -> str:
    lines = traceback.format_exception(type(error), error, _in_handler(error.__traceback__))
    return "".join(lines)


def _in_handler(entry: TracebackType | None) -> TracebackType | None:
    while entry is not None and entry.tb_next is not None and _is_ours(entry):
        entry = entry.tb_next
    return entry


def _is_ours(entry: TracebackType) -> bool:
    module = str(entry.tb_frame.f_globals.get("__name__"))
    return module.startswith(_OWN_MODULES) and not module.startswith(_BUILTIN_MODULES)


def _storable(text: str) -> str:
    """Text of an error may hold what JSON and databases refuse; it must be stored all the same."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _bounded(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 2], text[-limit // 2 :]
    return f"{head}\n... {len(text) - limit:,} characters left out ...\n{tail}"
