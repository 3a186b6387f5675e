"""A flow, its handlers and the orchestrator that runs it, in one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, ForEach, ManualTrigger, Step
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.runtimes.asyncio import AsyncioRuntime
from floworch.storage.memory import MemoryStorage
from floworch.testing.clock import VirtualClock

__all__ = ["FLOW_ID", "SharedMemory", "chain", "flow_of", "orchestrator", "running", "seconds"]

FLOW_ID = UUID(int=7)


def flow_of(steps: Mapping[str, Step | ForEach], **settings: Any) -> FlowDefinition:
    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=dict(steps), **settings)
    return FlowDefinition(id=FLOW_ID, name="Tested", version="1", manifest=manifest)


def chain(*types: str) -> dict[str, Step]:
    """Steps ``s0``, ``s1``, … one after the other."""
    return {
        f"s{number}": Step(type=step_type, run_after=[f"s{number - 1}"] if number else [])
        for number, step_type in enumerate(types)
    }


class SharedMemory(MemoryStorage):
    """The memory store, used by several orchestrators at once as if each were a process of its own."""

    @property
    def capabilities(self) -> Any:
        plain = super().capabilities
        return type(plain)(shared_between_processes=True, survives_restart=plain.survives_restart)


def orchestrator(
    steps: Mapping[str, Step | ForEach] | FlowDefinition,
    handlers: Mapping[str, Callable[..., Any]],
    *,
    store: Callable[[Clock], Storage] = MemoryStorage,
    concurrency: int = 64,
    **settings: Any,
) -> FlowOrchestrator:
    flow = steps if isinstance(steps, FlowDefinition) else flow_of(steps)
    builder = (
        FlowOrchestrator.builder().use_storage(store).use_runtime(lambda: AsyncioRuntime(concurrency)).add_flow(flow)
    )
    for step_type, handler in handlers.items():
        builder.add_handlers(step_type, handler)
    return builder.use_clock(VirtualClock(asyncio.get_running_loop())).configure(**settings).build()


@asynccontextmanager
async def running(
    steps: Mapping[str, Step | ForEach] | FlowDefinition, handlers: Mapping[str, Callable[..., Any]], **more: Any
) -> AsyncIterator[FlowOrchestrator]:
    async with orchestrator(steps, handlers, **more) as started:
        yield started


def seconds() -> float:
    """Virtual time."""
    return asyncio.get_running_loop().time()
