"""The handlers of the scenarios, and what happened to them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

from floworch import FlowDefinition, FlowManifest, StepContext, StepResult, step_handler

__all__ = ["FLOW_ID", "HANDLERS", "World", "flow_of"]

FLOW_ID = UUID(int=0x5CE)


class World:
    """Shared by the handlers of one test."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self.broken: set[str] = set()
        """Keys of steps that fail."""
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._reached: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._entered = asyncio.Event()
        self._lock = threading.Lock()

    def enter(self, key: str) -> None:
        with self._lock:
            self.calls[key] += 1
            own = key.rpartition(".")[2]
            self.at_once[own] += 1
            self.most_at_once[own] = max(self.most_at_once[own], self.at_once[own])
        self._entered.set()

    async def until_called(self, key: str, times: int) -> None:
        """Only of steps whose handlers run on the event loop: threads wake nobody up."""
        async with asyncio.timeout(30):
            while self.calls[key] < times:
                self._entered.clear()
                await self._entered.wait()

    def leave(self, key: str) -> None:
        with self._lock:
            self.at_once[key.rpartition(".")[2]] -= 1

    async def pass_gate(self, key: str) -> None:
        self._reached[key].set()
        await self._gates[key].wait()

    async def until_reached(self, key: str) -> None:
        async with asyncio.timeout(30):
            await self._reached[key].wait()

    def open_gate(self, key: str) -> None:
        self._gates[key].set()

    def close_gate(self, key: str) -> None:
        self._gates[key].clear()


@step_handler("Echo")
async def echo(ctx: StepContext, value: Any = None) -> Any:
    """Gives its input back, unless the step is broken."""
    world = ctx.service(World)
    world.enter(ctx.step_key)
    try:
        await asyncio.sleep(0)
        if ctx.step_key in world.broken:
            raise ValueError(f"{ctx.step_key} is broken")
        return value
    finally:
        world.leave(ctx.step_key)


@step_handler("Blocking")
def blocking(ctx: StepContext, value: Any = None) -> Any:
    ctx.service(World).enter(ctx.step_key)
    ctx.service(World).leave(ctx.step_key)
    return value


@step_handler("Gate")
async def gate(ctx: StepContext) -> str:
    """Waits until the test opens the gate."""
    ctx.service(World).enter(ctx.step_key)
    await ctx.service(World).pass_gate(ctx.step_key)
    return "passed"


@step_handler("FailsUntil")
async def fails_until(ctx: StepContext, attempt: int) -> int:
    ctx.service(World).enter(ctx.step_key)
    if ctx.attempt < attempt:
        raise ConnectionError(f"attempt {ctx.attempt}")
    return ctx.attempt


@step_handler("DefersOnce")
async def defers_once(ctx: StepContext, seconds: float) -> Any:
    ctx.service(World).enter(ctx.step_key)
    return StepResult.deferred(seconds) if ctx.first_started_at is None else "done"


@step_handler("SkipsItself")
async def skips_itself() -> StepResult:
    return StepResult.skipped("nothing to do")


HANDLERS = (echo, blocking, gate, fails_until, defers_once, skips_itself)


def flow_of(manifest: FlowManifest) -> FlowDefinition:
    return FlowDefinition(id=FLOW_ID, name="Scenario", manifest=manifest)
