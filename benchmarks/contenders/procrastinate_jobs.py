"""Procrastinate: a step is a job that defers the next one. Its jobs keep no outputs, so it has less to write."""

from __future__ import annotations

import asyncio
from importlib import import_module
from itertools import count as counter
from typing import Any

from benchmarks.contender import Runner, Target

__all__ = ["ProcrastinateJobs"]

_CONCURRENCY = 64


class ProcrastinateJobs(Runner):
    async def open(self, target: Target) -> None:
        procrastinate = import_module("procrastinate")
        self._app: Any = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=target.url))
        self._task: Any = self._app.task(name="step")(self._step)
        self._numbers = counter()
        self._ended: dict[int, asyncio.Future[None]] = {}
        await self._app.open_async()
        await self._app.schema_manager.apply_schema_async()
        worker = self._app.run_worker_async(concurrency=_CONCURRENCY, install_signal_handlers=False)
        self._worker = asyncio.create_task(worker)

    async def close(self) -> None:
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)
        await self._app.close_async()

    async def chains(self, count: int, length: int) -> None:
        runs = [next(self._numbers) for _ in range(count)]
        loop = asyncio.get_running_loop()
        self._ended = {run: loop.create_future() for run in runs}
        await asyncio.gather(*(self._task.defer_async(run=run, left=length) for run in runs))
        await asyncio.gather(*self._ended.values())

    async def _step(self, run: int, left: int) -> None:
        if left > 1:
            await self._task.defer_async(run=run, left=left - 1)
        else:
            self._ended[run].set_result(None)
