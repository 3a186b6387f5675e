"""What the exit code of a command says."""

from __future__ import annotations

from enum import IntEnum

from floworch.errors import (
    FlowDisabled,
    FloworchError,
    FlowValidationError,
    IdempotencyConflict,
    InvalidTransition,
    NotFound,
    SignalNotExpected,
    StorageError,
)

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """Documented in ``docs/reference/cli.md``; scripts depend on them."""

    OK = 0
    FAILED = 1
    """The run did not succeed, or problems were found."""
    USAGE = 2
    """Wrong arguments, a target that cannot be loaded, or one that is put together wrongly."""
    NOT_FOUND = 3
    NOT_POSSIBLE = 4
    """The run, step or flow is not in a state that allows it now."""
    STORAGE = 5
    INTERRUPTED = 130


_CODES: tuple[tuple[type[FloworchError], ExitCode], ...] = (
    (FlowValidationError, ExitCode.FAILED),
    (NotFound, ExitCode.NOT_FOUND),
    (InvalidTransition, ExitCode.NOT_POSSIBLE),
    (FlowDisabled, ExitCode.NOT_POSSIBLE),
    (IdempotencyConflict, ExitCode.NOT_POSSIBLE),
    (SignalNotExpected, ExitCode.NOT_POSSIBLE),
    (StorageError, ExitCode.STORAGE),
)


def exit_code_of(error: FloworchError) -> ExitCode:
    """The code for an error that ends a command."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.USAGE)
