"""Prefect 3 with its default settings, but that tasks persist their results: flows are called in this process, tell a
server in another one about every state, and the server keeps it in its SQLite."""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.request
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any

from benchmarks.contender import Runner, Target
from benchmarks.program import free_port, running, until

__all__ = ["PrefectFlows"]


class PrefectFlows(Runner):
    def __init__(self) -> None:
        self._programs = AsyncExitStack()

    async def open(self, target: Target) -> None:
        port = free_port()
        api = f"http://127.0.0.1:{port}/api"
        settings = {
            "PREFECT_HOME": str(target.folder),
            "PREFECT_API_URL": api,
            # A benchmark on a loopback interface calls nobody.
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        server = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
        last_words = await self._programs.enter_async_context(running(server, target.folder, settings))
        await until(lambda: asyncio.to_thread(_is_healthy, api), last_words)
        # Prefect reads its settings when it is imported.
        os.environ.update(settings)
        self._chain, self._fan = _flows(import_module("prefect"))

    async def close(self) -> None:
        await self._programs.aclose()

    async def chains(self, count: int, length: int) -> None:
        for done in await asyncio.gather(*(self._chain(length) for _ in range(count))):
            assert done == length

    async def fan_out(self, width: int) -> None:
        assert await asyncio.to_thread(self._fan, width) == {"number": width}


def _flows(prefect: Any) -> tuple[Any, Any]:
    async def no_op(number: int) -> dict[str, int]:
        return {"number": number}

    step = prefect.task(name="step", persist_result=True)(no_op)
    threaded_step = prefect.task(name="threaded-step", persist_result=True)(lambda number: {"number": number})

    async def chain(length: int) -> int:
        for number in range(length):
            await step(number)
        return length

    def fan(width: int) -> dict[str, int]:
        parallel = [threaded_step.submit(number) for number in range(width)]
        joined: dict[str, int] = threaded_step.submit(width, wait_for=parallel).result()
        return joined

    return prefect.flow(name="chain")(chain), prefect.flow(name="fan")(fan)


def _is_healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=2) as answer:
            healthy: bool = answer.status == 200
            return healthy
    except OSError:
        return False
