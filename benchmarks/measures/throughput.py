"""W1: from the first submission until the caller knows of the last run's end."""

from __future__ import annotations

import gc
from time import perf_counter

from benchmarks.bench import Bench
from benchmarks.contender import Runner

__all__ = ["measure", "runs_per_second"]


async def measure(bench: Bench) -> dict[str, float]:
    async with bench.opened() as runner:
        await runner.chains(min(bench["warm_up_runs"], bench.runs), bench["steps"])
        rate = await runs_per_second(runner, bench.runs, bench["steps"])
    return {"runs_per_second": rate, "steps_per_second": rate * bench["steps"]}


async def runs_per_second(runner: Runner, runs: int, steps: int) -> float:
    """Rate at which so many chains are done when they are submitted together."""
    # A full collection takes a sixth of such a short time, and whether one falls into it is luck: all begin after one.
    gc.collect()
    began = perf_counter()
    await runner.chains(runs, steps)
    return runs / (perf_counter() - began)
