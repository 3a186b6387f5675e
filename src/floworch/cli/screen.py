"""Consoles and the colours of words."""

from __future__ import annotations

import os
import sys

from rich import box
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

from floworch.core.model.status import RunStatus, StepStatus

__all__ = ["new_table", "status_text", "stderr_console", "stdout_console"]

_PIPE_COLUMNS = 200
"""Tables that go to a file or a pipe are not squeezed into the 80 columns that nobody looks at."""

_STYLES: dict[str, str] = {
    StepStatus.READY: "cyan",
    StepStatus.RUNNING: "cyan",
    StepStatus.PENDING: "yellow",
    StepStatus.SUCCEEDED: "green",
    StepStatus.FAILED: "bold red",
    StepStatus.SKIPPED: "bright_black",
    RunStatus.CANCELLED: "yellow",
    RunStatus.TIMED_OUT: "bold red",
}


def stdout_console() -> Console:
    """For what was asked for. Colour only on a terminal, and none with NO_COLOR."""
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal or "COLUMNS" in os.environ else _PIPE_COLUMNS
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not is_terminal, width=width)


def stderr_console() -> Console:
    """For everything else: progress, advice, errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def new_table(options: ConsoleOptions) -> Table:
    """A table with a rule below its titles; without it where the characters for it are missing, or in a pipe."""
    is_plain = options.ascii_only or not options.is_terminal
    return Table(box=None if is_plain else box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))


def status_text(status: RunStatus | StepStatus | None) -> Text:
    """The word in its colour; a step without a status waits."""
    return Text("Waiting", "bright_black") if status is None else Text(str(status), _STYLES.get(status, ""))
