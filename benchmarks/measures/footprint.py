"""W4: what it costs an application to import the library, and to hold it open with nothing to do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from statistics import median

from benchmarks.bench import Bench
from benchmarks.contender import Kind
from benchmarks.machine import memory_mib

__all__ = ["measure"]

_TIMED = "from time import perf_counter as t; b = t(); {statement}; print((t() - b) * 1000)"
_OURS = "from floworch import FlowOrchestrator"
"""``import floworch`` alone does not load the engine; this is what an application that runs flows does."""


async def measure(bench: Bench) -> dict[str, float]:
    ours = bench.contender.kind is Kind.OURS
    statement = _OURS if ours else f"import {next(iter(bench.contender.needs))}"
    import_ms = await asyncio.to_thread(_import_ms, statement, bench["imports"])
    async with bench.opened():
        await asyncio.sleep(bench["settle_seconds"])
        return {"import_ms": import_ms, "idle_mib": memory_mib()}


def _import_ms(statement: str, times: int) -> float:
    """Median over new processes that find the byte code compiled, as pip leaves it, whatever the environment says."""
    with tempfile.TemporaryDirectory(prefix="floworch-bench-") as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        _, *compiled = (_import_once_ms(statement, environment) for _ in range(times + 1))
        return median(compiled)


def _import_once_ms(statement: str, environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", _TIMED.format(statement=statement)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout.split()[-1])
