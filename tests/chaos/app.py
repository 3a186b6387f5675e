"""The application that the chaos tests kill.

Run as ``python -m tests.chaos.app TARGET EFFECTS [--trigger FROM:TO:STEP] [--until-done N]``. TARGET and EFFECTS are a
SQLite file and a ledger, or URLs of PostgreSQL. It prints what it has come to: ``started``, ``triggered``,
``done``. SIGTERM makes it stop in order.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from floworch import FlowDefinition, FlowOrchestrator, RunStatus
from floworch.core.ports.clock import SystemClock
from floworch.errors import StorageUnavailable
from tests.chaos.effects import Effects, EffectTable, Ledger
from tests.chaos.flows import FLOWS, HANDLERS, Chain, Held
from tests.chaos.speech import say

__all__ = ["LEASE_SECONDS", "build", "effects_at"]

LEASE_SECONDS = float(os.environ.get("FLOWORCH_CHAOS_LEASE_SECONDS", "2"))
_TRIGGERS_AT_ONCE = 20
_CROWD = 100
_LOOK_SECONDS = 0.2


def build(target: str, effects: Effects | None, flows: Sequence[type[FlowDefinition]] = FLOWS) -> FlowOrchestrator:
    """Without ``effects`` for asking only."""
    builder = FlowOrchestrator.builder()
    if target.startswith("postgresql"):
        builder.use_postgresql(target)
    else:
        builder.use_sqlite(target)
    if effects is not None:
        builder.add_service(Effects, lambda: effects)
    return (
        builder.use_asyncio_runtime(concurrency=24)
        .add_flow(*flows, Held)
        .add_handlers(*HANDLERS)
        .configure(
            lease_seconds=LEASE_SECONDS,
            heartbeat_seconds=LEASE_SECONDS / 4,
            poll_interval_seconds=0.25,
            cancel_grace_seconds=1.0,
            max_lost_attempts=1000,
            drain_seconds=1.0,
        )
        .build()
    )


def effects_at(place: str) -> Effects:
    return EffectTable(place) if place.startswith("postgresql") else Ledger(Path(place))


async def main(target: str, effects: str, to_trigger: range, until_done: int | None, key: str | None) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    orchestrator = await _started(target, effects)
    try:
        say("started")
        await _trigger(orchestrator, to_trigger)
        if key is not None:
            await _crowd(orchestrator, key)
        say("triggered")
        while until_done is None or await _ended(orchestrator) < until_done:
            if await SystemClock().wait(stop, _LOOK_SECONDS):
                break
    finally:
        await orchestrator.stop()
    say("done")


async def _started(target: str, effects: str) -> FlowOrchestrator:
    """As a supervisor does that starts a process again when the store was not there yet."""
    while True:
        orchestrator = build(target, effects_at(effects))
        try:
            await orchestrator.start()
        except StorageUnavailable:
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return orchestrator


async def _trigger(orchestrator: FlowOrchestrator, numbers: range) -> None:
    slots = asyncio.Semaphore(_TRIGGERS_AT_ONCE)

    async def trigger(number: int) -> None:
        async with slots:
            await _trigger_until_done(orchestrator, number)

    await asyncio.gather(*map(trigger, numbers))


async def _crowd(orchestrator: FlowOrchestrator, key: str) -> None:
    """A hundred clients with one key."""
    runs = await asyncio.gather(*(orchestrator.trigger(Chain, idempotency_key=key) for _ in range(_CROWD)))
    say(f"runs {' '.join(sorted({str(run.run_id) for run in runs}))}")
    say(f"first {sum(not run.duplicate for run in runs)}")


async def _trigger_until_done(orchestrator: FlowOrchestrator, number: int) -> None:
    """Every process of a test may trigger every number: the key makes it one run."""
    flow = FLOWS[number % len(FLOWS)]
    while True:
        try:
            await orchestrator.trigger(flow, body={"n": number}, idempotency_key=f"run-{number}")
        except StorageUnavailable:
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return


async def _ended(orchestrator: FlowOrchestrator) -> int:
    try:
        counts = await orchestrator.count_runs()
    except StorageUnavailable:
        return 0
    return sum(count for status, count in counts.items() if status is not RunStatus.RUNNING)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("effects")
    parser.add_argument("--trigger", type=lambda text: range(*map(int, text.split(":"))), default=range(0))
    parser.add_argument("--until-done", type=int)
    parser.add_argument("--key", help="trigger with it a hundred times at once")
    arguments = parser.parse_args()
    sys.exit(
        asyncio.run(main(arguments.target, arguments.effects, arguments.trigger, arguments.until_done, arguments.key))
    )
