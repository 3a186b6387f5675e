"""Shows what was measured: a table per workload, and what became of the targets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.comparison import Row, compare
from benchmarks.contender import Kind
from benchmarks.figures import Summary
from benchmarks.rounds import Measured
from benchmarks.targets import Judgement, judge
from benchmarks.workload import Workload

__all__ = ["Results", "number", "show", "write_json"]

Results = Mapping[str, Mapping[str, Measured]]
"""Workload name → contender name → rounds."""

_STYLES = {Kind.OURS: "bold", Kind.FLOOR: "dim", Kind.PEER: ""}


def show(console: Console, workloads: Sequence[Workload], results: Results, origin: Mapping[str, str]) -> None:
    """Print all tables. ``origin`` says where and with what was measured."""
    for workload in workloads:
        if results.get(workload.name):
            console.print(_table(workload, compare(workload, results[workload.name])))
    judgements = list(judge(results))
    if judgements:
        console.print(_judgements(judgements))
    for name, text in origin.items():
        console.print(f"[dim]{name}:[/] {escape(text)}", highlight=False, soft_wrap=True)


def write_json(file: Path, results: Results, origin: Mapping[str, str]) -> None:
    """Every round of every figure, for other programs."""
    measured = {
        workload: {contender: asdict(each) for contender, each in by_contender.items()}
        for workload, by_contender in results.items()
    }
    text = json.dumps({"origin": dict(origin), "results": measured}, indent=2)
    file.write_text(text + "\n", encoding="utf-8")


def number(value: float | None) -> str:
    """Three significant digits, and none of the exponents that ``g`` would write."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def _table(workload: Workload, rows: Sequence[Row]) -> Table:
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left", title_style="bold")
    table.add_column("contender", no_wrap=True)
    for place, figure in enumerate(workload.figures):
        table.add_column(figure.unit if place else f"{figure.unit} (lowest–highest)", justify="right")
    table.add_column("× floor", justify="right")
    table.add_column("× DBOS", justify="right")
    for row in rows:
        table.add_row(*_cells(workload, row), style=_STYLES[row.contender.kind])
    return table


def _cells(workload: Workload, row: Row) -> list[str]:
    if not row.figures:
        return [row.contender.name, "failed, see above"]
    first, *others = [_labelled(row.figures.get(figure.key)) for figure in workload.figures]
    main = row.figures[workload.figures[0].key]
    if main.rounds > 1:
        first = f"{first} ({number(main.lowest)}–{number(main.highest)})"
    return [row.contender.name, first, *others, number(row.to_floor), number(row.to_rival)]


def _labelled(summary: Summary | None) -> str:
    return number(None if summary is None else summary.median)


def _judgements(judgements: Sequence[Judgement]) -> Table:
    table = Table(title="Targets (they gate nothing)", title_justify="left", title_style="bold")
    for title in ("workload", "target", "measured", "must", "aim"):
        table.add_column(title, justify="right" if title == "measured" else "left")
    for each in judgements:
        must, aim = _bound(each.target.must, each.reached), _bound(each.target.aim, each.reached_aim)
        table.add_row(each.target.workload, str(each.target), number(each.value), must, aim)
    return table


def _bound(bound: float | None, reached: bool | None) -> str:
    return "" if bound is None else f"{bound:g} [green]yes[/]" if reached else f"{bound:g} [red]no[/]"
