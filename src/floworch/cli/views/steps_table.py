"""Rows of steps as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import ConsoleOptions
from rich.table import Table
from rich.text import Text

from floworch.cli.screen import new_table, status_text
from floworch.cli.views.step_rows import StepRow

__all__ = ["steps_table"]

_BAR_CELLS = 12


def steps_table(rows: Iterable[StepRow], options: ConsoleOptions) -> Table:
    """One line per row; a loop shows how many of its iterations have ended."""
    table = new_table(options)
    table.add_column("step", no_wrap=True)
    table.add_column("type", style="bright_black", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("attempt", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for row in rows:
        _add(table, row, options.ascii_only)
    for column in table.columns[:-1]:
        # When the line is too long, only the remark is cut.
        column.min_width = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
    return table


def _add(table: Table, row: StepRow, ascii_only: bool) -> None:
    name = f"{'  ' * row.depth}{row.name}"
    if row.is_summary:
        table.add_row(Text(name, "bright_black"))
        return
    attempt = str(row.attempt) if row.attempt and row.total is None else ""
    table.add_row(Text(name), Text(row.type), status_text(row.status), attempt, row.elapsed, _remark(row, ascii_only))


def _remark(row: StepRow, ascii_only: bool) -> Text:
    if row.total is None:
        return Text(row.note)
    full, empty = ("#", "-") if ascii_only else ("━", "─")
    cells = _BAR_CELLS if row.total == 0 else row.done * _BAR_CELLS // row.total
    bar = Text.assemble((full * cells, "green"), (empty * (_BAR_CELLS - cells), "bright_black"))
    return Text.assemble(bar, f" {row.done}/{row.total}", f"  {row.note}" if row.note else "")
