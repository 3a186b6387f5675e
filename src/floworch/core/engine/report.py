"""What came of an attempt, on its way to the commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from floworch.core.machine.commands import Command
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import StorageError

__all__ = ["Report"]


class Report(NamedTuple):
    """``transaction`` holds what the handler wrote, if it wrote anything that is to commit with ``command``; then
    ``instead_of`` makes the command that reports that this commit failed."""

    command: Command
    transaction: StoreTransaction | None = None
    instead_of: Callable[[StorageError], Command] | None = None
