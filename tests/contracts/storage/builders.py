"""Runs and changes for storage tests, with everything that a test does not talk about filled in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from floworch.core.machine.state import ParentStep, RunFacts, StepState, StopRequest
from floworch.core.machine.transition import Fact, StepChange
from floworch.core.model.payload import Payload
from floworch.core.model.records import FlowRecord, StepError
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.core.ports.storage import Advance, Batch, Claim, Creation, Outcome, RareWrites, Storage

__all__ = [
    "BODY",
    "ERROR",
    "FLOW",
    "START",
    "WORKER",
    "StillClock",
    "advance",
    "claim",
    "commit_advance",
    "commit_claim",
    "commit_steps",
    "create",
    "creation",
    "flow",
    "insert",
    "overwrite",
    "run_id",
    "state",
    "stop",
]

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
FLOW = UUID("01890000-0000-7000-8000-00000000f10e")
WORKER = "worker-1"
BODY = Payload('{"order":7}')
ERROR = StepError("ValueError", "no such order", "Traceback …")


class StillClock:
    """Stands still until a test moves it."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at

    async def wait(self, event: asyncio.Event, timeout_seconds: float | None) -> bool:
        raise AssertionError("a store does not wait")


def run_id(number: int) -> UUID:
    """Ids that sort like their numbers."""
    return UUID(int=(0x0189 << 112) | (7 << 76) | (2 << 62) | number)


def flow(number: int = 0, *, name: str | None = None, version: str = "1", manifest: str | None = None) -> FlowRecord:
    text = manifest or f'{{"steps":{{}},"number":{number},"version":"{version}"}}'
    return FlowRecord(
        id=UUID(int=FLOW.int + number),
        name=name or f"flow-{number}",
        version=version,
        manifest_hash=sha256(text.encode()).hexdigest(),
        manifest=text,
    )


def state(status: StepStatus = StepStatus.READY, attempt: int = 0, **changes: Any) -> StepState:
    """A state; ready ones have been ready since ``START`` unless told otherwise."""
    if status is StepStatus.READY:
        changes.setdefault("ready_at", START)
    return StepState(status, attempt, **changes)


def insert(step_state: StepState, **changes: Any) -> StepChange:
    """The first row of a step."""
    return StepChange(step_state, None, changes.pop("type", "Work"), **changes)


def overwrite(before: tuple[StepStatus, int], step_state: StepState, **changes: Any) -> StepChange:
    """The next row of a step."""
    return StepChange(step_state, StepState(*before), changes.pop("type", "Work"), **changes)


def stop(kind: StopKind = StopKind.CANCELLED, reason: str | None = "enough", at: datetime = START) -> StopRequest:
    return StopRequest(kind, reason, at)


def creation(
    number: int = 1,
    *,
    steps: Mapping[str, StepChange] | None = None,
    key: str | None = None,
    flow_id: UUID = FLOW,
    started_at: datetime = START,
    source: UUID | None = None,
    priority: int = 0,
    parent: ParentStep | None = None,
    concurrency_key: str | None = None,
    **changes: Any,
) -> Creation:
    facts = RunFacts(
        *(run_id(number), flow_id, "hash-1", "manual", started_at, source, key, priority, parent),
        concurrency_key=concurrency_key,
    )
    values: dict[str, Any] = {
        "status": RunStatus.RUNNING,
        "deadline": None,
        "stop": None,
        "ended_at": None,
        "facts": [{"type": "run.started"}],
        "at": started_at,
        "flow_id": flow_id,
        "priority": priority,
        "concurrency_key": concurrency_key,
        "owner": WORKER,
        "flow_name": "orders",
        "flow_version": "1.2",
        "body": BODY,
        "headers": None,
        **_sorted_out(changes),
    }
    return Creation(
        run_id=facts.run_id,
        facts_of_run=facts,
        steps={"a": insert(state())} if steps is None else steps,
        **values,
    )


def advance(
    number: int = 1,
    revision: int = 1,
    steps: Mapping[str, StepChange] | None = None,
    *,
    facts: Sequence[Fact] = (),
    **changes: Any,
) -> Advance:
    values: dict[str, Any] = {
        "status": RunStatus.RUNNING,
        "deadline": None,
        "stop": None,
        "ended_at": None,
        "at": START,
        "flow_id": FLOW,
        "priority": 0,
        "owner": WORKER,
        **_sorted_out(changes),
    }
    return Advance(run_id=run_id(number), steps=steps or {}, facts=facts, expected_revision=revision, **values)


def _sorted_out(changes: dict[str, Any]) -> dict[str, Any]:
    """Fields of a write, with the rare ones where they belong."""
    rare = {name: changes.pop(name) for name in [each.name for each in fields(RareWrites)] if name in changes}
    return {**changes, "rare": RareWrites(**rare)} if rare else changes


def claim(number: int = 1, step_key: str = "a", attempt: int = 0, **changes: Any) -> Claim:
    values: dict[str, Any] = {"owner": WORKER, "lease_seconds": 30.0, "at": START, **changes}
    return Claim(run_id(number), step_key, attempt, **values)


async def create(storage: Storage, *creations: Creation) -> list[UUID]:
    return (await storage.commit(Batch(creations=creations or (creation(),)))).creations


async def commit_advance(storage: Storage, change: Advance) -> Outcome:
    return (await storage.commit(Batch(advances=[change]))).advances[0]


async def commit_steps(storage: Storage, revision: int, **steps: StepChange) -> Outcome:
    """Advance run 1 by these steps; ``__`` in a name stands for a dot."""
    named = {name.replace("__", "."): change for name, change in steps.items()}
    return await commit_advance(storage, advance(1, revision, named))


async def commit_claim(storage: Storage, change: Claim) -> Outcome:
    return (await storage.commit(Batch(claims=[change]))).claims[0]
