"""Every error that floworch raises on purpose.

FloworchError
├── ConfigurationError         the application was put together wrongly
├── FlowValidationError        one or more flows are not valid (all problems at once)
├── ExpressionError            an expression does not parse or cannot be evaluated
├── InvalidPayload             a value cannot be stored as JSON
│   ├── PayloadTooLarge
│   ├── InvalidTags            tags of a run that are too many, too long, or no text
│   └── SignalRefused          no step of the run takes a signal with this payload
├── NotFound
│   ├── FlowNotFound
│   ├── RunNotFound
│   └── StepNotFound
├── FlowDisabled               the flow exists but is switched off
├── InvalidTransition          the run or step is not in a state that allows the request
│   ├── AlreadyMigrated        the run goes by that version of its flow
│   ├── MigrationRefused       what the run has begun does not fit the other version (all problems at once)
│   └── SignalNotExpected      the run has ended, so nothing will wait for the signal
├── ManifestNotUnderstood      a run goes by a version of its flow that only a newer floworch can read
├── IdempotencyConflict
├── WaitTimeout                the run has not ended in the time the caller gave
├── StorageError
│   └── StorageUnavailable     the store cannot be reached or used, with the reason
│       ├── BulkInterrupted    the same, while something was done to many runs
│       ├── CommitUnclear      the connection broke during a commit, which may have happened or not
│       └── StorageTimeout     the store is there, but this took it too long
├── NotificationFailed         a failure notice was not accepted
├── NonRetryable               raised by handlers: fail the step without another attempt
└── RetryLater                 raised by handlers: fail the attempt, and do not begin the next one before some time
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

__all__ = [
    "AlreadyMigrated",
    "BulkInterrupted",
    "CommitUnclear",
    "ConfigurationError",
    "ExpressionError",
    "FlowDisabled",
    "FlowNotFound",
    "FlowProblem",
    "FlowValidationError",
    "FloworchError",
    "IdempotencyConflict",
    "InvalidPayload",
    "InvalidTags",
    "InvalidTransition",
    "ManifestNotUnderstood",
    "MigrationRefused",
    "NonRetryable",
    "NotFound",
    "NotificationFailed",
    "PayloadTooLarge",
    "RetryLater",
    "RunNotFound",
    "SignalNotExpected",
    "SignalRefused",
    "StepNotFound",
    "StorageError",
    "StorageTimeout",
    "StorageUnavailable",
    "WaitTimeout",
]

_CONTEXT_CHARS = 80
"""How much of a line an error message shows on either side of a mistake."""


class FloworchError(Exception):
    """Base class of all errors that floworch raises on purpose."""


class ConfigurationError(FloworchError):
    """The application was put together wrongly; the message says what to call instead."""


@dataclass(frozen=True, slots=True)
class FlowProblem:
    """One thing that is wrong with one flow.

    ``location`` is a path into the manifest such as ``steps.load.inputs.url``.
    """

    flow: str
    location: str
    message: str
    code: str = "invalid"

    def __str__(self) -> str:
        return f"{self.flow}: {self.location}: {self.message}" if self.location else f"{self.flow}: {self.message}"


class FlowValidationError(FloworchError):
    """One or more flows are not valid; ``problems`` holds every problem of every flow."""

    def __init__(self, problems: Sequence[FlowProblem]) -> None:
        self.problems = list(problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        lines = "\n".join(f"  - {_indent(str(problem))}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} {noun} found:\n{lines}")


class ExpressionError(FloworchError):
    """An expression does not parse or cannot be evaluated.

    ``position`` is the zero-based offset of the mistake in ``expression``, if it is known. ``trace`` shows how far the
    evaluation of a condition came, None for everything else.
    """

    trace: Mapping[str, Any] | None = None

    def __init__(self, message: str, expression: str, position: int | None = None) -> None:
        self.reason = message
        self.expression = expression
        self.position = position
        super().__init__(_with_caret(message, expression, position))


class InvalidPayload(FloworchError):
    """A value cannot be stored as JSON; the message gives the path to the offending part."""


class PayloadTooLarge(InvalidPayload):
    """A value is larger than the configured limit."""


class InvalidTags(InvalidPayload):
    """A run cannot have these tags: they are too many, too long, or no text."""


class SignalRefused(InvalidPayload):
    """The steps that wait for the signal do not take this payload; the message has what their schemas say."""


class NotFound(FloworchError):
    """Something that was asked for by id, key or name does not exist."""


class FlowNotFound(NotFound):
    """No registered flow has this id or name."""


class RunNotFound(NotFound):
    """No run has this id."""


class StepNotFound(NotFound):
    """The run has no step with this key."""


class FlowDisabled(FloworchError):
    """The flow is switched off, so nothing was started."""


class InvalidTransition(FloworchError):
    """The run or step is not in a state that allows what was asked."""


class MigrationRefused(InvalidTransition):
    """What the run has begun does not fit the other version of its flow; ``problems`` holds all that does not."""

    def __init__(self, message: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{message}: {'; '.join(problems)}")


class AlreadyMigrated(InvalidTransition):
    """The run goes by that version of its flow."""


class SignalNotExpected(InvalidTransition):
    """The run has ended, so no step will wait for the signal."""


class ManifestNotUnderstood(FloworchError):
    """A run goes by a version of its flow that this version of floworch cannot read. Newer processes can."""


class IdempotencyConflict(FloworchError):
    """The idempotency key was used before with another request."""


class WaitTimeout(FloworchError, TimeoutError):
    """The run has not ended in the time that the caller gave; the run itself goes on."""


class StorageError(FloworchError):
    """The store refused or failed an operation."""


class StorageUnavailable(StorageError):
    """The store cannot be reached or used; the message says why and what to do."""


class BulkInterrupted(StorageUnavailable):
    """The store failed while something was done to many runs; ``report`` says what was done until then."""

    def __init__(self, message: str, report: Any = None) -> None:
        self.report = report
        super().__init__(message)


class CommitUnclear(StorageUnavailable):
    """The connection broke while a commit was under way: it may have happened or not."""


class StorageTimeout(StorageUnavailable):
    """The store is there, but this took too long and was undone; something else may hold a lock on it."""


class NotificationFailed(FloworchError):
    """A notice of a failed run was not accepted by whom it was sent to."""


class NonRetryable(FloworchError):
    """Raise it in a handler to fail the step at once, whatever its retry policy says."""


class RetryLater(FloworchError):
    """Raise it in a handler to fail the attempt when it is known how long trying again is of no use.

    ``after`` (seconds, if a number) is how long the next attempt waits at least. Whether there is one is for the retry
    policy to say.
    """

    def __init__(self, message: str, after: timedelta | float) -> None:
        super().__init__(message)
        self.after = after if isinstance(after, timedelta) else timedelta(seconds=after)


def _indent(text: str) -> str:
    return text.replace("\n", "\n    ")


def _with_caret(message: str, expression: str, position: int | None) -> str:
    if position is None:
        return f"{message}\n  {expression}" if expression else message
    line_start = expression.rfind("\n", 0, position) + 1
    line = expression[line_start:].partition("\n")[0]
    shown, column = _window(line, position - line_start)
    return f"{message}\n  {shown}\n  {' ' * column}^"


def _window(line: str, column: int) -> tuple[str, int]:
    # An expression may stand in a text of any length, such as a page of HTML in one line.
    start = max(0, column - _CONTEXT_CHARS)
    before = "…" if start else ""
    after = "…" if len(line) > column + _CONTEXT_CHARS else ""
    return f"{before}{line[start : column + _CONTEXT_CHARS]}{after}", column - start + len(before)
