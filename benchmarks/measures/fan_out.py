"""W2: median over a few runs, one after the other."""

from __future__ import annotations

from statistics import median
from time import perf_counter

from benchmarks.bench import Bench

__all__ = ["measure"]


async def measure(bench: Bench) -> dict[str, float]:
    taken: list[float] = []
    async with bench.opened() as runner:
        await runner.fan_out(bench["width"])
        for _ in range(bench["repeats"]):
            began = perf_counter()
            await runner.fan_out(bench["width"])
            taken.append((perf_counter() - began) * 1000)
    return {"milliseconds": median(taken)}
