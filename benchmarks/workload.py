"""The workloads, as plain descriptions. What is done and timed for each is in ``benchmarks.measures``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["WORKLOADS", "Figure", "Workload"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a measurement gives. The first one of a workload is what contenders are compared by."""

    key: str
    unit: str
    higher_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """``measure`` names a module with ``async measure(bench) -> {figure key: value}``. ``quick`` replaces parameters
    for a short run, None leaves the workload out of it."""

    name: str
    title: str
    measure: str
    figures: tuple[Figure, ...]
    parameters: Mapping[str, int] = field(default_factory=dict)
    quick: Mapping[str, int] | None = None
    most_rounds: int | None = None
    """Long ones are not repeated as often as others."""
    needs_statement_statistics: bool = False
    """PostgreSQL has to count statements for it, which costs a little."""

    def parameters_of(self, *, quick: bool) -> dict[str, int]:
        return {**self.parameters, **(self.quick or {} if quick else {})}


def _workloads() -> list[Workload]:
    return [
        Workload(
            "W1",
            "500 runs × chain of 5 no-op steps, submitted at once",
            "benchmarks.measures.throughput",
            (Figure("runs_per_second", "runs/s", higher_is_better=True), Figure("steps_per_second", "steps/s", True)),
            {"runs": 500, "steps": 5, "warm_up_runs": 50},
            quick={},
        ),
        Workload(
            "W2",
            "one run with 200 parallel no-op steps and a join",
            "benchmarks.measures.fan_out",
            (Figure("milliseconds", "ms"),),
            {"width": 200, "repeats": 5},
            quick={"repeats": 3},
        ),
        Workload(
            "W3",
            "latency of one run of 3 no-op steps on an idle system",
            "benchmarks.measures.latency",
            (Figure("median_ms", "median ms"), Figure("p95_ms", "p95 ms"), Figure("p99_ms", "p99 ms")),
            {"runs": 200, "steps": 3, "warm_up_runs": 20},
            quick={"runs": 100},
        ),
        Workload(
            "W4",
            "import time, and memory of an idle process",
            "benchmarks.measures.footprint",
            (Figure("import_ms", "import ms"), Figure("idle_mib", "idle MiB")),
            {"imports": 5, "settle_seconds": 1},
        ),
        Workload(
            "W5",
            "one loop over 10,000 items, 50 at once",
            "benchmarks.measures.loop",
            (Figure("seconds", "s"), Figure("growth_mib", "MiB more")),
            {"items": 10_000, "limit": 50},
            most_rounds=3,
        ),
        Workload(
            "W6",
            "open-loop load at half of the measured maximum",
            "benchmarks.measures.open_loop",
            (
                Figure("median_ms", "median ms"),
                Figure("p99_ms", "p99 ms"),
                Figure("p99_to_median", "p99 / median"),
                Figure("runs_per_second", "runs/s", True),
                Figure("growth_mib", "MiB more"),
            ),
            {"runs": 500, "steps": 5, "seconds": 60},
            most_rounds=1,
        ),
        Workload(
            "W7",
            "W1 and W3 with 1,000,000 finished runs in the tables",
            "benchmarks.measures.growth",
            (
                Figure("throughput_loss", "times slower (W1)"),
                Figure("latency_growth", "times slower (W3)"),
                Figure("runs_per_second", "runs/s", True),
                Figure("median_ms", "median ms"),
            ),
            {"finished": 1_000_000, "runs": 500, "steps": 5, "warm_up_runs": 50, "probes": 200, "repeats": 5},
            most_rounds=1,
        ),
        Workload(
            "W8",
            "1, 2 and 4 processes on one database",
            "benchmarks.measures.scale_out",
            (
                Figure("runs_per_second_1", "runs/s with 1", True),
                Figure("runs_per_second_2", "with 2", True),
                Figure("runs_per_second_4", "with 4", True),
                Figure("efficiency_2", "efficiency of 2", True),
                Figure("efficiency_4", "efficiency of 4", True),
            ),
            {"runs": 2000, "steps": 5},
            most_rounds=3,
        ),
        Workload(
            "W9",
            "cost of an idle process with 1,000 waiting runs",
            "benchmarks.measures.idle",
            (
                Figure("statements_per_second", "statements/s"),
                Figure("transactions_per_second", "transactions/s"),
                Figure("cpu_percent", "% of a core"),
                Figure("kib_per_run", "KiB per run"),
                Figure("wal_kib_per_hour", "KiB of WAL/h"),
                Figure("statements_without_runs", "without runs: statements/s"),
                Figure("wal_without_runs", "KiB of WAL/h"),
            ),
            {"runs": 1000, "seconds": 60, "settle_seconds": 15},
            most_rounds=1,
            needs_statement_statistics=True,
        ),
        Workload(
            "W10",
            "cost of an idle process with 10,000 schedules",
            "benchmarks.measures.idle_schedules",
            (
                Figure("cpu_percent", "% of a core"),
                Figure("statements_per_second", "statements/s"),
                Figure("transactions_per_second", "transactions/s"),
                Figure("wal_kib_per_hour", "KiB of WAL/h"),
                Figure("start_seconds", "s to start"),
                Figure("kib_per_schedule", "KiB per schedule"),
            ),
            {"schedules": 10_000, "seconds": 60, "settle_seconds": 15},
            most_rounds=1,
            needs_statement_statistics=True,
        ),
    ]


WORKLOADS: Mapping[str, Workload] = {workload.name: workload for workload in _workloads()}
"""By name, in the order in which they are measured."""
