"""W8: the same runs, shared by 1, 2 and 4 processes that each submit their part at the same moment."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.bench import Bench

__all__ = ["measure"]

_ROOT = Path(__file__).resolve().parents[2]
_READY = b"ready"


async def measure(bench: Bench) -> dict[str, float]:
    async with bench.opened() as runner:
        await runner.chains(50, bench["steps"])
    rates = {count: await _rate(bench, count) for count in (1, 2, 4)}
    return {
        **{f"runs_per_second_{count}": rate for count, rate in rates.items()},
        **{f"efficiency_{count}": rates[count] / rates[1] / count for count in (2, 4)},
    }


async def _rate(bench: Bench, processes: int) -> float:
    each = bench.runs // processes
    workers = [await _start(bench, each) for _ in range(processes)]
    await asyncio.gather(*map(_until_ready, workers))
    began = perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"\n")
    await asyncio.gather(*map(_until_ready, workers))
    taken = perf_counter() - began
    await asyncio.gather(*map(_end, workers))
    return each * processes / taken


async def _start(bench: Bench, runs: int) -> asyncio.subprocess.Process:
    order = {
        "contender": bench.contender.name,
        "folder": str(bench.target.folder),
        "url": bench.target.url,
        "runs": runs,
        "steps": bench["steps"],
    }
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.sharer", json.dumps(order)]
    return await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdin=pipe, stdout=pipe)


async def _until_ready(worker: asyncio.subprocess.Process) -> None:
    assert worker.stdout is not None
    while True:
        line = await worker.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended with {await worker.wait()} before its work was done")
        if line.strip() == _READY:
            return


async def _end(worker: asyncio.subprocess.Process) -> None:
    await worker.communicate(b"\n")
