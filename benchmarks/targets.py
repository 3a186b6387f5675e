"""What floworch must reach, as ratios in one run; shown beside the figures, and never a gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import ratio
from benchmarks.rounds import Measured

__all__ = ["TARGETS", "Judgement", "Target", "judge"]


@dataclass(frozen=True, slots=True)
class Target:
    """``figure`` of ``contender``, divided by the same figure of ``relative_to`` or, without one, as it is.

    ``must`` and ``aim`` are lower bounds where ``at_least``, else upper bounds.
    """

    workload: str
    contender: str
    figure: str
    must: float | None
    aim: float | None = None
    relative_to: str | None = None
    relative_figure: str | None = None
    """Another figure to divide by."""
    at_least: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        other = " ".join(filter(None, (self.relative_to, self.relative_figure)))
        return f"{self.contender} {self.figure}{' / ' if other else ''}{other} {sign}"


@dataclass(frozen=True, slots=True)
class Judgement:
    target: Target
    value: float
    reached: bool | None
    reached_aim: bool | None


TARGETS: tuple[Target, ...] = (
    Target("W1", "floworch-postgresql", "runs_per_second", 25, None, "dbos-postgresql", at_least=True),
    Target("W1", "floworch-postgresql", "runs_per_second", 0.25, 0.5, "asyncpg-group", at_least=True),
    Target("W1", "floworch-sqlite", "runs_per_second", 30, None, "dbos-sqlite", at_least=True),
    Target("W1", "floworch-sqlite", "runs_per_second", 0.2, 0.5, "sqlite3-batch", at_least=True),
    Target("W1", "floworch-memory", "runs_per_second", 0.2, 0.5, "asyncio", at_least=True),
    Target("W2", "floworch-postgresql", "milliseconds", 0.1, None, "dbos-postgresql"),
    Target("W2", "floworch-postgresql", "milliseconds", 10, None, "asyncpg-group"),
    Target("W2", "floworch-postgresql", "milliseconds", None, 50),
    Target("W3", "floworch-postgresql", "median_ms", 0.3, None, "dbos-postgresql"),
    Target("W3", "floworch-postgresql", "p95_ms", 3, None, None, "median_ms"),
    Target("W3", "floworch-postgresql", "median_ms", None, 1.5, "asyncpg-group"),
    Target("W3", "floworch-memory", "median_ms", 1.0),
    Target("W4", "floworch-postgresql", "import_ms", 300, 200),
    Target("W4", "floworch-postgresql", "idle_mib", 60, 45),
    Target("W5", "floworch-postgresql", "seconds", 10, 4),
    Target("W5", "floworch-postgresql", "growth_mib", 30),
    Target("W6", "floworch-postgresql", "p99_to_median", 10),
    Target("W7", "floworch-postgresql", "throughput_loss", 1.2, 1.05),
    Target("W7", "floworch-postgresql", "latency_growth", 1.2, 1.05),
    Target("W8", "floworch-postgresql", "runs_per_second_2", 1, None, None, "runs_per_second_1", at_least=True),
    Target("W8", "floworch-postgresql", "runs_per_second_4", 1, None, None, "runs_per_second_1", at_least=True),
    Target("W9", "floworch-postgresql", "statements_per_second", 1, 0.2),
)


def judge(results: Mapping[str, Mapping[str, Measured]]) -> Iterator[Judgement]:
    """Every target for which both sides were measured. ``results`` is workload → contender → rounds."""
    for target in TARGETS:
        value = _value(target, results.get(target.workload, {}))
        if value is not None:
            yield Judgement(target, value, _holds(target, value, target.must), _holds(target, value, target.aim))


def _value(target: Target, measured: Mapping[str, Measured]) -> float | None:
    own = _median(measured, target.contender, target.figure)
    if own is None or (target.relative_to is None and target.relative_figure is None):
        return own
    other = _median(measured, target.relative_to or target.contender, target.relative_figure or target.figure)
    return None if other is None else ratio(own, other)


def _median(measured: Mapping[str, Measured], contender: str, figure: str) -> float | None:
    values = measured[contender].figures.get(figure) if contender in measured else None
    return median(values) if values else None


def _holds(target: Target, value: float, bound: float | None) -> bool | None:
    if bound is None:
        return None
    return value >= bound if target.at_least else value <= bound
