"""Celery with its default settings, Redis as its broker and for results, and a worker as users start it.

A run is a chain or a chord. Results are kept for a day; there is no history, and a task is acknowledged before it is
done: what a worker was doing when it died is lost.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.contender import Runner, Target
from benchmarks.contenders.celery_app import app, step
from benchmarks.program import running
from benchmarks.redis_server import running_redis

__all__ = ["CeleryCanvas"]

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_WAIT_SECONDS = 120
_canvas: Any = import_module("celery")


class CeleryCanvas(Runner):
    """``redis_options`` are those of ``redis-server``, as in a shell."""

    def __init__(self, redis_options: str) -> None:
        self._redis_options = redis_options.split()
        self._programs = AsyncExitStack()
        # One thread, because a result backend is not made for many.
        self._thread = ThreadPoolExecutor(1)

    async def open(self, target: Target) -> None:
        url = await self._programs.enter_async_context(running_redis(target.folder, self._redis_options))
        app.conf.update(broker_url=url, result_backend=url)
        name = "benchmarks.contenders.celery_app"
        worker = [sys.executable, "-m", "celery", "-A", name, "-b", url, "--result-backend", url, "worker"]
        await self._programs.enter_async_context(running(worker, target.folder, {"PYTHONPATH": str(_ROOT)}))
        await self.chains(1, 1)

    async def close(self) -> None:
        await self._programs.aclose()
        self._thread.shutdown()

    async def chains(self, count: int, length: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, _chains, count, length)

    async def fan_out(self, width: int) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, _fan_out, width)


def _chains(count: int, length: int) -> None:
    started = [_canvas.chain(step.si(number) for number in range(length)).apply_async() for _ in range(count)]
    for run in started:
        assert run.get(timeout=_LONGEST_WAIT_SECONDS) == {"number": length - 1}


def _fan_out(width: int) -> None:
    run = _canvas.chord([step.si(number) for number in range(width)], step.si(width)).apply_async()
    assert run.get(timeout=_LONGEST_WAIT_SECONDS) == {"number": width}
