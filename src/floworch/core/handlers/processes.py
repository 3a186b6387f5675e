"""The processes that run CPU-bound handlers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from floworch.core.handlers.context import StepContext
from floworch.core.handlers.ended import Raised, call
from floworch.core.handlers.failures import failed_by, worker_died
from floworch.core.handlers.outcomes import outcome_of
from floworch.core.handlers.results import Failed, StepOutcome
from floworch.core.handlers.secrets import NO_SECRETS, Secrets

__all__ = ["HandlerProcesses", "ProcessTask"]


@dataclass(frozen=True, slots=True)
class ProcessTask:
    """What travels to the worker: the function by its name, and data. The context is rebuilt there without its links to
    the engine: no services, no outputs of other steps, no cancellation, no heartbeat."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    context_parameter: str | None
    context: dict[str, Any]
    max_output_bytes: int | None
    secrets: Secrets = NO_SECRETS


class HandlerProcesses:
    """At most ``size`` calls at a time. Every slot is an executor of one worker, so that a worker that dies or is
    killed takes no other call with it. Workers are spawned, not forked, when first needed, and serve many calls."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"size is {size}; at least one process is needed")
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()

    async def run(self, task: ProcessTask) -> StepOutcome:
        """Run the task in a worker. When the caller is cancelled, the worker is killed."""
        async with self._free:
            worker = self._idle.pop() if self._idle else _Worker()
            self._busy.add(worker)
            is_reusable = False
            try:
                outcome = await worker.run(task)
                is_reusable = worker.is_alive
                return outcome
            finally:
                self._busy.discard(worker)
                if is_reusable:
                    self._idle.append(worker)
                else:
                    worker.kill()

    def close(self) -> None:
        """Kill all workers, busy ones too."""
        for worker in [*self._idle, *self._busy]:
            worker.kill()
        self._idle.clear()


class _Worker:
    def __init__(self) -> None:
        self._executor: Executor = _spawning_executor()
        self._pid: int | None = None
        self.is_alive = True

    async def run(self, task: ProcessTask) -> StepOutcome:
        from concurrent.futures.process import BrokenProcessPool

        loop = asyncio.get_running_loop()
        try:
            if self._pid is None:
                self._pid = await loop.run_in_executor(self._executor, os.getpid)
            return await loop.run_in_executor(self._executor, _run_task, task)
        except BrokenProcessPool:
            self.is_alive = False
            return worker_died()
        except Exception as error:  # noqa: BLE001  (pickling and importing run the author's code)
            return _not_portable(error, task)

    def kill(self) -> None:
        if self._pid is not None and self.is_alive:
            self.is_alive = False
            _kill(self._pid)
        self._executor.shutdown(wait=False, cancel_futures=True)


def _run_task(task: ProcessTask) -> StepOutcome:
    """Runs in the worker. The answer is encoded there, so that only JSON text and errors as data travel back."""
    arguments = dict(task.arguments)
    if task.context_parameter is not None:
        arguments[task.context_parameter] = StepContext(**task.context)
    ended = call(lambda: task.function(**arguments))
    if isinstance(ended, Raised):
        return failed_by(ended.error, task.secrets)
    return outcome_of(ended.value, task.max_output_bytes, task.secrets)


def _spawning_executor() -> Executor:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    return ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    except OSError:  # it is gone already
        return


def _not_portable(error: Exception, task: ProcessTask) -> Failed:
    failure = failed_by(error, task.secrets)
    name = getattr(task.function, "__qualname__", type(task.function).__qualname__)
    message = f"{name} could not be run in another process: {failure.error.message}"
    return Failed(type(failure.error)(failure.error.type, message, failure.error.traceback, retryable=False))
