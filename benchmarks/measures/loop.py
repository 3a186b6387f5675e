"""W5: time of one long loop, and how far it lets memory rise."""

from __future__ import annotations

from time import perf_counter

from benchmarks.bench import Bench
from benchmarks.measures.memory_watch import watched_memory

__all__ = ["measure"]


async def measure(bench: Bench) -> dict[str, float]:
    async with bench.opened() as runner:
        # What every first loop loads or allocates for good is no growth.
        await runner.loop(bench["limit"], bench["limit"])
        async with watched_memory() as memory:
            began = perf_counter()
            await runner.loop(bench["items"], bench["limit"])
            taken = perf_counter() - began
    return {"seconds": taken, "growth_mib": memory.growth_mib}
