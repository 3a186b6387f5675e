"""W6: runs arrive at fixed times, whether or not the earlier ones are done.

A run's latency counts from the time it was due, not from when it could be submitted: a system that stalls is charged
for everybody it kept waiting.
"""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.bench import Bench
from benchmarks.contender import Runner
from benchmarks.figures import percentile
from benchmarks.measures.memory_watch import watched_memory
from benchmarks.measures.throughput import runs_per_second

__all__ = ["measure"]

_SHARE_OF_MAXIMUM = 0.5


async def measure(bench: Bench) -> dict[str, float]:
    async with bench.opened() as runner:
        await runner.chains(bench.runs, bench["steps"])
        rate = await runs_per_second(runner, bench.runs, bench["steps"]) * _SHARE_OF_MAXIMUM
        # The first tenth fills caches and pools; what grows after it is a leak.
        await _load(runner, rate, bench["seconds"] / 10, bench["steps"])
        async with watched_memory() as memory:
            latencies = await _load(runner, rate, bench["seconds"], bench["steps"])
    middle, high = percentile(latencies, 50), percentile(latencies, 99)
    return {
        "median_ms": middle,
        "p99_ms": high,
        "p99_to_median": high / middle,
        "runs_per_second": rate,
        "growth_mib": memory.growth_mib,
    }


async def _load(runner: Runner, rate: float, seconds: float, steps: int) -> list[float]:
    """Latencies in milliseconds of all runs that were due in that time."""
    began = perf_counter()
    latencies: list[float] = []
    async with asyncio.TaskGroup() as arrivals:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - perf_counter()))
            arrivals.create_task(_run(runner, due, steps, latencies))
    return latencies


async def _run(runner: Runner, due: float, steps: int, latencies: list[float]) -> None:
    await runner.chains(1, steps)
    latencies.append((perf_counter() - due) * 1000)
