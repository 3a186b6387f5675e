"""The application that the chaos tests kill: flows of every shape, whose steps leave a line outside of the store.

Run as ``python -m tests.chaos.app URL LEDGER [--trigger N] [--until-done N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from floworch import (
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    RetryPolicy,
    RunStatus,
    Step,
    StepContext,
    StepResult,
    step_handler,
)

LEASE_SECONDS = 2.0


class Ledger:
    """Effects outside of the store: one appended line each, ``run step attempt worker``; small appends are atomic."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, ctx: StepContext) -> None:
        os.write(self._file, f"{ctx.run_id} {ctx.step_key} {ctx.attempt} {os.getpid()}\n".encode())


@step_handler("Effect")
async def effect(ctx: StepContext, pause_ms: int = 2) -> dict[str, Any]:
    await asyncio.sleep(pause_ms / 1000)
    ctx.service(Ledger).write(ctx)
    return {"step": ctx.step_key}


@step_handler("BlockingEffect")
def blocking_effect(ctx: StepContext) -> str:
    ctx.service(Ledger).write(ctx)
    return ctx.step_key


@step_handler("Flaky", retry=RetryPolicy(max_attempts=5, backoff="fixed", initial=0.05, jitter=False))
async def flaky(ctx: StepContext) -> int:
    ctx.service(Ledger).write(ctx)
    if ctx.attempt <= 2:
        raise ConnectionError("not yet")
    return ctx.attempt


@step_handler("Parked")
async def parked(ctx: StepContext) -> Any:
    ctx.service(Ledger).write(ctx)
    return StepResult.deferred(0.2) if ctx.first_started_at is None else "awake"


class Chain(FlowDefinition):
    id = UUID(int=0xC1)
    manifest = FlowManifest(
        steps={f"s{n}": Step(type="Effect", run_after=[f"s{n - 1}"] if n else []) for n in range(5)}
    )


class Fan(FlowDefinition):
    id = UUID(int=0xC2)
    manifest = FlowManifest(
        steps={
            "start": Step(type="BlockingEffect"),
            **{f"p{n}": Step(type="Effect", run_after=["start"]) for n in range(6)},
            "join": Step(type="Effect", run_after=[f"p{n}" for n in range(6)]),
        }
    )


class Loop(FlowDefinition):
    id = UUID(int=0xC3)
    manifest = FlowManifest(
        steps={
            "loop": ForEach(
                for_each="@range(0, 5)",
                concurrency_limit=2,
                steps={"a": Step(type="Effect"), "b": Step(type="BlockingEffect", run_after=["a"])},
            ),
            "end": Step(type="Effect", run_after=["loop"], when="@length(steps('loop').output) == 5"),
        }
    )


class Retries(FlowDefinition):
    id = UUID(int=0xC4)
    manifest = FlowManifest(
        steps={
            "flaky": Step(type="Flaky"),
            "parked": Step(type="Parked", run_after=["flaky"]),
            "unneeded": Step(type="Effect", run_after={"parked": ["Failed"]}),
            "end": Step(type="Effect", run_after=["parked"]),
        }
    )


FLOWS: tuple[type[FlowDefinition], ...] = (Chain, Fan, Loop, Retries)


def expected_steps(flow_id: UUID) -> set[str]:
    """Run-time keys of the steps of a flow that must have had their effect."""
    return {
        Chain.id: {f"s{n}" for n in range(5)},
        Fan.id: {"start", "join", *(f"p{n}" for n in range(6))},
        Loop.id: {"end", *(f"loop.{n}.{key}" for n in range(5) for key in "ab")},
        Retries.id: {"flaky", "parked", "end"},
    }[flow_id]


def build(target: str, ledger: Path | None) -> FlowOrchestrator:
    builder = FlowOrchestrator.builder()
    builder = builder.use_postgresql(target) if target.startswith("postgresql") else builder.use_sqlite(target)
    if ledger is not None:
        builder.add_service(Ledger(ledger))
    return (
        builder.use_asyncio_runtime(concurrency=32)
        .add_flow(*FLOWS)
        .add_handlers(effect, blocking_effect, flaky, parked)
        .configure(
            lease_seconds=LEASE_SECONDS,
            heartbeat_seconds=LEASE_SECONDS / 4,
            poll_interval_seconds=0.25,
            max_lost_attempts=1000,
            drain_seconds=5,
        )
        .build()
    )


async def main(target: str, ledger: Path, to_trigger: int, until_done: int | None) -> None:
    async with build(target, ledger) as orchestrator:
        print("started", flush=True)
        await asyncio.gather(*(_trigger(orchestrator, number) for number in range(to_trigger)))
        print("triggered", flush=True)
        while until_done is None or await _ended(orchestrator) < until_done:
            await asyncio.sleep(0.2)
    print("done", flush=True)


async def _trigger(orchestrator: FlowOrchestrator, number: int) -> None:
    await orchestrator.trigger(FLOWS[number % len(FLOWS)], body={"n": number}, idempotency_key=f"run-{number}")


async def _ended(orchestrator: FlowOrchestrator) -> int:
    counts = await orchestrator.count_runs()
    return sum(count for status, count in counts.items() if status is not RunStatus.RUNNING)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--trigger", type=int, default=0)
    parser.add_argument("--until-done", type=int)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.target, arguments.ledger, arguments.trigger, arguments.until_done)))
