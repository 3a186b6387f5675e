"""The floor of memory: one asyncio task per step; outputs and events are serialised and kept, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from time import time
from typing import Any

from benchmarks.contender import Runner, Target

__all__ = ["PlainAsyncio"]


class PlainAsyncio(Runner):
    async def open(self, target: Target) -> None:
        self._encode = _encoder()
        self._outputs: dict[tuple[int, int], bytes] = {}
        self._events: list[bytes] = []
        self._runs = 0

    async def close(self) -> None:
        self._outputs.clear()
        self._events.clear()

    async def chains(self, count: int, length: int) -> None:
        await asyncio.gather(*(asyncio.create_task(self._chain(length)) for _ in range(count)))

    async def fan_out(self, width: int) -> None:
        run = self._begin()
        await asyncio.gather(*(asyncio.create_task(self._step(run, step)) for step in range(width)))
        await asyncio.create_task(self._step(run, width))

    async def _chain(self, length: int) -> None:
        run = self._begin()
        for step in range(length):
            await asyncio.create_task(self._step(run, step))

    def _begin(self) -> int:
        self._runs += 1
        self._events.append(self._encode({"run": self._runs, "type": "run.started"}))
        return self._runs

    async def _step(self, run: int, step: int) -> None:
        self._note(run, step, "step.started")
        self._outputs[run, step] = self._encode({"number": step})
        self._note(run, step, "step.succeeded")

    def _note(self, run: int, step: int, fact: str) -> None:
        self._events.append(self._encode({"run": run, "step": step, "attempt": 1, "type": fact, "at": time()}))


def _encoder() -> Callable[[Any], bytes]:
    if find_spec("orjson") is not None:
        encode: Callable[[Any], bytes] = import_module("orjson").dumps
        return encode
    return lambda value: json.dumps(value).encode()
