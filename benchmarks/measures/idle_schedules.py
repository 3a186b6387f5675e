"""W10: what schedules cost that are not due for months."""

from __future__ import annotations

import gc
from time import perf_counter

from benchmarks.bench import Bench
from benchmarks.measures.idle_watch import counting_connection, idle_costs
from benchmarks.memory import memory_mib

__all__ = ["measure"]


async def measure(bench: Bench) -> dict[str, float]:
    async with counting_connection(bench) as connection, bench.opened() as runner:
        gc.collect()
        before_mib = memory_mib()
        began = perf_counter()
        await runner.keep_schedules(bench["schedules"])
        taken = perf_counter() - began
        idle = await idle_costs(connection, bench)
        gc.collect()
        grown_mib = memory_mib() - before_mib
    return {**idle, "start_seconds": taken, "kib_per_schedule": grown_mib * 1024 / bench["schedules"]}
