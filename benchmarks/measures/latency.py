"""W3: one run at a time, from its submission until its result is there."""

from __future__ import annotations

import asyncio
from time import perf_counter

from benchmarks.bench import Bench
from benchmarks.contender import Runner
from benchmarks.figures import percentile

__all__ = ["latencies_ms", "measure"]

_PAUSE_SECONDS = 0.005
"""Between two runs: long enough for what the first one leaves to do afterwards."""


async def measure(bench: Bench) -> dict[str, float]:
    async with bench.opened() as runner:
        await latencies_ms(runner, min(bench["warm_up_runs"], bench.runs), bench["steps"])
        taken = await latencies_ms(runner, bench.runs, bench["steps"])
    return {"median_ms": percentile(taken, 50), "p95_ms": percentile(taken, 95), "p99_ms": percentile(taken, 99)}


async def latencies_ms(runner: Runner, runs: int, steps: int) -> list[float]:
    """Time that each of so many runs took, alone on the system."""
    taken: list[float] = []
    for _ in range(runs):
        await asyncio.sleep(_PAUSE_SECONDS)
        began = perf_counter()
        await runner.chains(1, steps)
        taken.append((perf_counter() - began) * 1000)
    return taken
