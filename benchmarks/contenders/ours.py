"""floworch, used as its users would: public names only, and default settings."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias
from uuid import NAMESPACE_URL, uuid5

from benchmarks.contender import Runner, Target
from floworch import (
    CronTrigger,
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    ManualTrigger,
    RunHandle,
    RunStatus,
    Step,
    step_handler,
)
from floworch.builder import FlowOrchestratorBuilder

__all__ = ["Floworch"]

_Steps: TypeAlias = dict[str, Step | ForEach]
_LENGTHS = (3, 5)
_WIDTHS = (200,)
_LIMITS = (50,)
_SCHEDULES_PER_FLOW = 100
_LONGEST_WAIT_SECONDS = 600


@step_handler("NoOp")
async def no_op(number: int = 0) -> dict[str, int]:
    return {"number": number}


class Floworch(Runner):
    def __init__(self, store: str) -> None:
        self._store = store
        self._orchestrator: FlowOrchestrator | None = None
        self._target: Target | None = None

    async def open(self, target: Target) -> None:
        self._target = target
        await self._start(_flows())

    async def _start(self, flows: list[FlowDefinition]) -> None:
        assert self._target is not None
        target = self._target
        builder = FlowOrchestrator.builder().add_flow(*flows).add_handlers(no_op).use_asyncio_runtime()
        _choose_store(builder, self._store, target)
        self._orchestrator = builder.build()
        await self._orchestrator.start()

    async def close(self) -> None:
        if self._orchestrator is not None:
            await self._orchestrator.stop()

    async def chains(self, count: int, length: int) -> None:
        flow = f"chain-{length}"
        started = await asyncio.gather(*(self._trigger(flow) for _ in range(count)))
        await asyncio.gather(*map(_succeed, started))

    async def fan_out(self, width: int) -> None:
        await _succeed(await self._trigger(f"fan-out-{width}"))

    async def loop(self, items: int, limit: int) -> None:
        await _succeed(await self._trigger(f"loop-{limit}", {"items": list(range(items))}))

    async def park(self, runs: int) -> None:
        """All of them wait for a signal."""
        started = await asyncio.gather(*(self._trigger("signal") for _ in range(runs)))
        await asyncio.gather(*map(_waits, started))

    async def keep_schedules(self, schedules: int) -> None:
        """As after a deployment: the process starts again with flows that have them."""
        await self.close()
        await self._start([*_flows(), *_scheduled_flows(schedules)])

    async def multiply(self, runs: int) -> None:
        await self.chains(1, 5)
        assert self._target is not None
        # By name: SQLAlchemy is loaded only where it is used.
        copies = import_module("benchmarks.contenders.copies")
        await asyncio.to_thread(copies.multiply_newest_run, _url(self._store, self._target), runs)

    async def _trigger(self, flow: str, body: Any = None) -> RunHandle:
        assert self._orchestrator is not None
        return await self._orchestrator.trigger(flow, body=body)


async def _succeed(run: RunHandle) -> None:
    result = await run.wait(timeout=_LONGEST_WAIT_SECONDS)
    if result.status is not RunStatus.SUCCEEDED:
        raise RuntimeError(f"run {run.run_id} is {result.status}: {result.error}")


async def _waits(run: RunHandle) -> None:
    async for event in run.events():
        if event.type == "step.pending":
            return


def _choose_store(builder: FlowOrchestratorBuilder, store: str, target: Target) -> None:
    if store == "memory":
        builder.use_in_memory()
    elif store == "sqlite":
        builder.use_sqlite(_sqlite_file(target))
    else:
        assert target.url is not None
        builder.use_postgresql(target.url)


def _url(store: str, target: Target) -> str:
    if store == "sqlite":
        return f"sqlite:///{_sqlite_file(target)}"
    assert target.url is not None
    return target.url.replace("postgresql://", "postgresql+psycopg://", 1)


def _sqlite_file(target: Target) -> Path:
    return target.folder / "floworch.db"


def _flows() -> list[FlowDefinition]:
    chains = {f"chain-{length}": _chain(length) for length in _LENGTHS}
    fans = {f"fan-out-{width}": _fan(width) for width in _WIDTHS}
    loops = {f"loop-{limit}": _loop(limit) for limit in _LIMITS}
    waiting: _Steps = {"wait": Step(type="Delay", inputs={"seconds": 7 * 86_400})}
    signal: _Steps = {"wait": Step(type="WaitForSignal")}
    flows = {**chains, **fans, **loops, "wait": waiting, "signal": signal}
    return [_flow(name, steps) for name, steps in flows.items()]


def _flow(name: str, steps: _Steps, **schedules: CronTrigger) -> FlowDefinition:
    manifest = FlowManifest(triggers={"manual": ManualTrigger(), **schedules}, steps=steps)
    return FlowDefinition(id=uuid5(NAMESPACE_URL, name), name=name, manifest=manifest)


def _scheduled_flows(schedules: int) -> list[FlowDefinition]:
    """Once a year each, at least a month from now."""
    month = (datetime.now(UTC).month + 5) % 12 + 1
    expressions = [f"{n % 60} {n // 60 % 24} {1 + n // 1440 % 28} {month} *" for n in range(schedules)]
    return [
        _flow(
            f"scheduled-{first}",
            _chain(1),
            **{
                f"t{n}": CronTrigger(cron_expression=expressions[n])
                for n in range(first, min(first + _SCHEDULES_PER_FLOW, schedules))
            },
        )
        for first in range(0, schedules, _SCHEDULES_PER_FLOW)
    ]


def _chain(length: int) -> _Steps:
    return {
        f"s{number}": Step(type="NoOp", inputs={"number": number}, run_after=[f"s{number - 1}"] if number else None)
        for number in range(length)
    }


def _fan(width: int) -> _Steps:
    parallel = {f"p{number}": Step(type="NoOp", inputs={"number": number}) for number in range(width)}
    return {**parallel, "join": Step(type="NoOp", run_after=list(parallel))}


def _loop(limit: int) -> _Steps:
    body = {"step": Step(type="NoOp", inputs={"number": "@item()"})}
    return {"loop": ForEach(for_each="@triggerBody().items", concurrency_limit=limit, steps=body)}
