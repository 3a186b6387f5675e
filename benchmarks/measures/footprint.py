"""W4: what it costs an application to import the library, and to hold it open with nothing to do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib.util import find_spec
from statistics import median

from benchmarks.bench import Bench
from benchmarks.contender import Kind
from benchmarks.memory import memory_mib

__all__ = ["measure"]

_TIMED = "from time import perf_counter as t; b = t(); {statement}; print((t() - b) * 1000)"
_OURS = "from floworch import FlowOrchestrator"
"""``import floworch`` alone does not load the engine; this is what an application that runs flows does."""


async def measure(bench: Bench) -> dict[str, float]:
    ours = bench.contender.kind is Kind.OURS
    package = "floworch" if ours else next(iter(bench.contender.needs))
    await asyncio.to_thread(_compile, package)
    async with bench.opened():
        await asyncio.sleep(bench["settle_seconds"])
        idle_mib = memory_mib()
    statement = _OURS if ours else f"import {package}"
    return {"import_ms": await asyncio.to_thread(_import_ms, statement, bench["imports"]), "idle_mib": idle_mib}


def _compile(package: str) -> None:
    """Have the byte code ready, as pip leaves it: a process that compiles modules keeps some of the memory it takes."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], check=True)


def _import_ms(statement: str, times: int) -> float:
    """Median over new processes."""
    return median(_import_once_ms(statement) for _ in range(times))


def _import_once_ms(statement: str) -> float:
    command = [sys.executable, "-c", _TIMED.format(statement=statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
