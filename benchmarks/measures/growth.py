"""W7: throughput and latency on empty tables, and again on full ones."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench
from benchmarks.contender import Runner
from benchmarks.figures import percentile
from benchmarks.measures.latency import latencies_ms
from benchmarks.measures.throughput import runs_per_second

__all__ = ["measure"]

_LATENCY_STEPS = 3


async def measure(bench: Bench) -> dict[str, float]:
    async with bench.opened() as runner:
        await runner.chains(bench["warm_up_runs"], bench["steps"])
        empty_rate, empty_ms = await _probe(runner, bench)
        await runner.multiply(bench["finished"])
        await runner.chains(bench["warm_up_runs"], bench["steps"])
        full_rate, full_ms = await _probe(runner, bench)
    return {
        "throughput_loss": empty_rate / full_rate,
        "latency_growth": full_ms / empty_ms,
        "runs_per_second": full_rate,
        "median_ms": full_ms,
    }


async def _probe(runner: Runner, bench: Bench) -> tuple[float, float]:
    """Runs per second, the median of a few tries, and the median latency in milliseconds."""
    rates = [await runs_per_second(runner, bench.runs, bench["steps"]) for _ in range(bench["repeats"])]
    return median(rates), percentile(await latencies_ms(runner, bench["probes"], _LATENCY_STEPS), 50)
