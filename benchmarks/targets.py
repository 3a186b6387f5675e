"""What floworch must reach, as ratios in one run; shown beside the figures, and never a gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from benchmarks.figures import ratio
from benchmarks.rounds import Measured

__all__ = ["TARGETS", "Judgement", "Other", "Target", "judge"]


@dataclass(frozen=True, slots=True)
class Other:
    """What a figure is divided by. What is left out is the same as in the target."""

    contender: str | None = None
    figure: str | None = None
    workload: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """``figure`` of ``contender``, as it is or divided by another one.

    ``must`` and ``aim`` are lower bounds where ``at_least``, else upper bounds.
    """

    workload: str
    contender: str
    figure: str
    must: float | None
    aim: float | None = None
    divided_by: Other | None = None
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    target: Target
    value: float
    reached: bool | None
    reached_aim: bool | None


_MEMORY, _SQLITE, _POSTGRESQL = "floworch-memory", "floworch-sqlite", "floworch-postgresql"
_DBOS, _FLOOR = Other("dbos-postgresql"), Other("asyncpg-group")
_ALONE = Other(figure="runs_per_second_1")

TARGETS: tuple[Target, ...] = (
    Target("W1", _POSTGRESQL, "runs_per_second", 25, None, _DBOS, at_least=True),
    Target("W1", _POSTGRESQL, "runs_per_second", 0.25, 0.5, _FLOOR, at_least=True),
    Target("W1", _SQLITE, "runs_per_second", 30, None, Other("dbos-sqlite"), at_least=True),
    Target("W1", _SQLITE, "runs_per_second", 0.2, 0.5, Other("sqlite3-batch"), at_least=True),
    Target("W1", _MEMORY, "runs_per_second", 0.2, 0.5, Other("asyncio"), at_least=True),
    Target("W2", _POSTGRESQL, "milliseconds", 0.1, None, _DBOS),
    Target("W2", _POSTGRESQL, "milliseconds", 10, None, _FLOOR),
    Target("W2", _POSTGRESQL, "milliseconds", None, 50),
    Target("W3", _POSTGRESQL, "median_ms", 0.3, None, _DBOS),
    Target("W3", _POSTGRESQL, "median_ms", None, 1.5, _FLOOR),
    Target("W3", _POSTGRESQL, "p95_ms", 3, None, Other(figure="median_ms")),
    Target("W3", _MEMORY, "median_ms", 1),
    Target("W4", _POSTGRESQL, "import_ms", 300, 200),
    Target("W4", _POSTGRESQL, "idle_mib", 60, 45),
    Target("W5", _POSTGRESQL, "seconds", 10, 4),
    Target("W5", _POSTGRESQL, "growth_mib", 30),
    Target("W6", _POSTGRESQL, "p99_to_median", 10),
    Target("W6", _POSTGRESQL, "growth_mib", 10),
    Target("W7", _POSTGRESQL, "throughput_loss", 1.2, 1.05),
    Target("W7", _POSTGRESQL, "latency_growth", 1.2, 1.05),
    Target("W8", _POSTGRESQL, "runs_per_second_2", 1, None, _ALONE, at_least=True),
    Target("W8", _POSTGRESQL, "runs_per_second_4", 1, None, _ALONE, at_least=True),
    Target(
        "W8",
        _POSTGRESQL,
        "runs_per_second_2",
        None,
        0.8,
        Other("asyncpg-group", "runs_per_second", workload="W1"),
        at_least=True,
    ),
    Target("W9", _POSTGRESQL, "statements_per_second", 1, 0.2),
    Target("W9", _POSTGRESQL, "statements_per_second", 1.5, None, Other(figure="statements_without_runs")),
)


def judge(results: Mapping[str, Mapping[str, Measured]]) -> Iterator[Judgement]:
    """Every target for which both sides were measured. ``results`` is workload → contender → rounds."""
    for target in TARGETS:
        value = _value(target, results)
        if value is not None:
            yield Judgement(target, value, _holds(target, value, target.must), _holds(target, value, target.aim))


def _value(target: Target, results: Mapping[str, Mapping[str, Measured]]) -> float | None:
    own = _median(results, target.workload, target.contender, target.figure)
    by = target.divided_by
    if own is None or by is None:
        return own
    workload, contender = by.workload or target.workload, by.contender or target.contender
    other = _median(results, workload, contender, by.figure or target.figure)
    return None if other is None else ratio(own, other)


def _median(results: Mapping[str, Mapping[str, Measured]], workload: str, contender: str, figure: str) -> float | None:
    measured = results.get(workload, {}).get(contender)
    values = measured.figures.get(figure) if measured is not None else None
    return median(values) if values else None


def _holds(target: Target, value: float, bound: float | None) -> bool | None:
    if bound is None:
        return None
    return value >= bound if target.at_least else value <= bound
