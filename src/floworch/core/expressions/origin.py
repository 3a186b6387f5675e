"""Where an expression was written, so that every error can point at it."""

from __future__ import annotations

from dataclasses import dataclass

from floworch.errors import ExpressionError

__all__ = ["Fault", "Origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """``text`` is the whole string as written; ``location`` is its path in the manifest, ``""`` if unknown."""

    text: str
    location: str = ""

    def error(self, message: str, position: int) -> ExpressionError:
        """The error for a mistake at the zero-based offset ``position`` of ``text``."""
        reason = f"{self.location}: {message}" if self.location else message
        return ExpressionError(reason, self.text, position)


class Fault(Exception):
    """A value that an operator or function cannot take; whoever knows the position turns it into an ExpressionError.

    ``argument`` is the zero-based argument that is to blame, None for the whole call.
    """

    def __init__(self, reason: str, argument: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.argument = argument
