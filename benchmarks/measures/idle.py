"""W9: what a process costs while it has no runs, and while all its runs wait."""

from __future__ import annotations

import gc

from benchmarks.bench import Bench
from benchmarks.measures.idle_watch import counting_connection, idle_costs
from benchmarks.memory import memory_mib

__all__ = ["measure"]


async def measure(bench: Bench) -> dict[str, float]:
    async with counting_connection(bench) as connection, bench.opened() as runner:
        without_runs = await idle_costs(connection, bench)
        gc.collect()
        before_mib = memory_mib()
        await runner.park(bench["runs"])
        waiting = await idle_costs(connection, bench)
        gc.collect()
        grown_mib = memory_mib() - before_mib
    return {
        **waiting,
        "kib_per_run": grown_mib * 1024 / bench["runs"],
        "statements_without_runs": without_runs["statements_per_second"],
        "wal_without_runs": without_runs["wal_kib_per_hour"],
    }
