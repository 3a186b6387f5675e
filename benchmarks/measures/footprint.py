"""W4: what it costs an application to import the library, and to hold it open with nothing to do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from statistics import median

from benchmarks.bench import Bench
from benchmarks.contender import Kind
from benchmarks.machine import memory_mib

__all__ = ["measure"]

_TIMED_IMPORT = "from time import perf_counter as t; b = t(); import {module}; print((t() - b) * 1000)"


async def measure(bench: Bench) -> dict[str, float]:
    module = "floworch" if bench.contender.kind is Kind.OURS else next(iter(bench.contender.needs))
    import_ms = median([await asyncio.to_thread(_import_ms, module) for _ in range(bench["imports"])])
    async with bench.opened():
        await asyncio.sleep(bench["settle_seconds"])
        return {"import_ms": import_ms, "idle_mib": memory_mib()}


def _import_ms(module: str) -> float:
    program = _TIMED_IMPORT.format(module=module)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
