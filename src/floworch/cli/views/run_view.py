"""The live view of a run on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.spinner import Spinner
from rich.text import Text

from floworch.cli.progress import RunProgress
from floworch.cli.views.step_rows import progress_rows
from floworch.cli.views.steps_table import steps_table
from floworch.cli.words import duration_words
from floworch.core.model.records import RunRecord

__all__ = ["RunView"]

_LINES_AROUND_ROWS = 7


class RunView:
    """Drawn anew at every refresh from the progress as it is then. ``notice`` is a line below the steps."""

    def __init__(
        self, run: RunRecord, progress: RunProgress, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._run = run
        self._progress = progress
        self._now = now
        self._spinner = Spinner("dots", style="cyan")
        self.notice = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = self._now()
        rows = progress_rows(self._progress, now, console.height - _LINES_AROUND_ROWS)
        yield Group(self._headline(now), steps_table(rows, options), *self._footer())

    def _headline(self, now: datetime) -> Spinner:
        progress = self._progress
        words = Text.assemble(
            (self._run.flow_name, "bold"),
            f"  {progress.done}/{len(progress.top)} steps  {duration_words(now - self._run.started_at)}  ",
            (str(self._run.id), "bright_black"),
        )
        self._spinner.update(text=words)
        return self._spinner

    def _footer(self) -> list[Text]:
        stopping, suspension = self._progress.stop_reason, self._progress.suspension
        lines = [f"being stopped: {stopping}"] if stopping else []
        lines += [f"suspended: {suspension}"] if suspension else []
        return [Text(line, "yellow") for line in [*lines, self.notice] if line]
