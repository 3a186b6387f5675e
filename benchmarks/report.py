"""Shows what was measured: a table per workload, and what became of the targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.comparison import Row, compare
from benchmarks.contender import Kind
from benchmarks.figures import Summary
from benchmarks.rounds import Measured
from benchmarks.targets import Judgement, Target, judge
from benchmarks.workload import WORKLOADS, Workload

__all__ = ["Results", "number", "show", "write_json"]

Results = Mapping[str, Mapping[str, Measured]]
"""Workload name → contender name → rounds."""

_RATIOS: Mapping[str, Callable[[Row], float | None]] = {
    "× floor": lambda row: row.to_floor,
    "× DBOS": lambda row: row.to_rival,
}
_STYLES = {Kind.OURS: "bold", Kind.FLOOR: "dim", Kind.PEER: ""}


def show(console: Console, workloads: Sequence[Workload], results: Results, origin: Mapping[str, str]) -> None:
    """Print all tables. ``origin`` says where and with what was measured."""
    for workload in workloads:
        if rows := compare(workload, results.get(workload.name, {})):
            console.print(_table(workload, rows))
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
    first, *others = workload.figures
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left", title_style="bold")
    table.add_column("contender", no_wrap=True)
    ratios = _ratios(rows)
    for title in (first.unit, "lowest–highest", *(figure.unit for figure in others), *ratios):
        table.add_column(title, justify="right")
    for row in rows:
        cells = _figures(workload, row) if row.figures else ["failed, see above"]
        table.add_row(row.contender.name, *cells, *_chosen(row, ratios), style=_STYLES[row.contender.kind])
    return table


def _ratios(rows: Sequence[Row]) -> list[str]:
    """Titles of the ratios that at least one row has."""
    return [title for title in _RATIOS if any(_RATIOS[title](row) is not None for row in rows)]


def _chosen(row: Row, ratios: Sequence[str]) -> list[str]:
    return [number(_RATIOS[title](row)) for title in ratios] if row.figures else []


def _figures(workload: Workload, row: Row) -> list[str]:
    first, *others = [row.figures.get(figure.key) for figure in workload.figures]
    spread = f"{number(first.lowest)}–{number(first.highest)}" if first and first.rounds > 1 else "one round"
    return [_median(first), spread, *map(_median, others)]


def _median(summary: Summary | None) -> str:
    return number(None if summary is None else summary.median)


def _judgements(judgements: Sequence[Judgement]) -> Table:
    table = Table(title="Targets (they gate nothing)", title_justify="left", title_style="bold")
    for title in ("", "figure", "divided by", "measured", "must", "aim"):
        table.add_column(title, justify="right" if title == "measured" else "left")
    for each in judgements:
        target = each.target
        figure = f"{target.contender} {_unit(target.workload, target.figure)}"
        sign = "≥" if target.at_least else "≤"
        must, aim = _bound(sign, target.must, each.reached), _bound(sign, target.aim, each.reached_aim)
        table.add_row(target.workload, figure, _divisor(target), number(each.value), must, aim)
    return table


def _divisor(target: Target) -> str:
    by = target.divided_by
    if by is None:
        return ""
    unit = _unit(by.workload or target.workload, by.figure) if by.figure else ""
    return " ".join(filter(None, (by.contender, unit, f"({by.workload})" if by.workload else "")))


def _unit(workload: str, figure: str) -> str:
    return next(each.unit for each in WORKLOADS[workload].figures if each.key == figure)


def _bound(sign: str, bound: float | None, reached: bool | None) -> str:
    return "" if bound is None else f"{sign} {bound:g} [green]yes[/]" if reached else f"{sign} {bound:g} [red]no[/]"
