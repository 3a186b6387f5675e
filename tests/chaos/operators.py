"""People who do to the runs of the chaos flows whatever comes to their minds, sensible or not.

Run as ``python -m tests.chaos.operators URL SEED``. Their code has a newer version of one flow than the workers have.
It prints ``started``, and goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from random import Random
from uuid import UUID

import structlog

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, RunStatus, Step, StepStatus
from floworch.core.model.records import RunRecord
from floworch.errors import FlowValidationError, InvalidTransition, NotFound, StorageUnavailable
from tests.chaos.app import build
from tests.chaos.flows import FLOWS, Chain
from tests.chaos.speech import say

__all__ = ["BY", "LongerChain", "Operators", "orchestrator_of"]

BY = "Ann"
_REFUSALS = (InvalidTransition, NotFound, FlowValidationError)
_OPEN = tuple(status for status in StepStatus if not status.is_final)
_LULL_SECONDS = 0.02
_PEOPLE = 6


class LongerChain(FlowDefinition):
    """The next version of the chain: one step goes, and others come."""

    id = Chain.id
    name = Chain.name
    version = "2.0"
    manifest = FlowManifest(
        steps={
            **{f"s{n}": Step(type="Effect", run_after=[f"s{n - 1}"] if n else []) for n in range(4)},
            "beside": Step(type="BlockingEffect"),
            "s5": Step(type="Effect", run_after=["s3", "beside"]),
        }
    )


def orchestrator_of(target: str) -> FlowOrchestrator:
    """As the operators have it, for asking and telling only."""
    return build(target, None, [LongerChain if flow is Chain else flow for flow in FLOWS])


class Operators:
    """``act`` does one thing to some run."""

    def __init__(self, orchestrator: FlowOrchestrator, chance: Random) -> None:
        self._orchestrator = orchestrator
        self._chance = chance

    async def act(self) -> None:
        """What makes no sense is refused, and what nobody can do now is left alone."""
        verb = self._chance.choice(_VERBS)
        try:
            await verb(self)
        except (*_REFUSALS, StorageUnavailable):
            return

    async def trigger(self) -> None:
        for _ in range(3):
            await self._orchestrator.trigger(self._chance.choice(FLOWS).id, body={"n": 0})

    async def suspend(self) -> None:
        await self._orchestrator.suspend((await self._some_run(status=RunStatus.RUNNING)).id, "wait", by=BY)

    async def resume(self) -> None:
        await self._orchestrator.resume((await self._some_run(suspended=True)).id, by=BY)

    async def cancel(self) -> None:
        await self._orchestrator.cancel((await self._some_run(status=RunStatus.RUNNING)).id, "enough", by=BY)

    async def retry_failed(self) -> None:
        stopped = [RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT]
        run = await self._some_run(status=self._chance.choice([stopped, [RunStatus.RUNNING]]))
        await self._orchestrator.retry_failed(run.id, by=BY)

    async def retry(self) -> None:
        run_id, key = await self._some_step(StepStatus.FAILED, status=RunStatus.FAILED)
        await self._orchestrator.retry(run_id, key, by=BY)

    async def complete(self) -> None:
        run_id, key = await self._some_step(status=RunStatus.RUNNING)
        await self._orchestrator.complete_step(run_id, key, {"ready": True}, by=BY)

    async def fail(self) -> None:
        run_id, key = await self._some_step(status=RunStatus.RUNNING)
        await self._orchestrator.fail_step(run_id, key, "hopeless", by=BY)

    async def skip(self) -> None:
        run_id, key = await self._some_step(status=RunStatus.RUNNING)
        await self._orchestrator.skip_step(run_id, key, "not needed", by=BY)

    async def run_now(self) -> None:
        run_id, key = await self._some_step(StepStatus.PENDING, status=RunStatus.RUNNING)
        await self._orchestrator.run_step_now(run_id, key, by=BY)

    async def rerun(self) -> None:
        run = await self._some_run()
        if self._chance.random() < 0.5:
            await self._orchestrator.rerun(run.id, by=BY)
        else:
            await self._orchestrator.rerun(run.id, body={"n": 1}, version="latest", by=BY)

    async def fork(self) -> None:
        run = await self._some_run()
        key = self._chance.choice(list(self._orchestrator.flow(run.flow_id).manifest.steps))
        inputs = {"pauseMs": self._chance.randrange(50)} if self._chance.random() < 0.3 else None
        await self._orchestrator.fork(run.id, key, inputs=inputs, by=BY)

    async def migrate(self) -> None:
        versions = await self._orchestrator.versions.list(Chain.id)
        page = await self._orchestrator.list_runs(flow=Chain.id, status=RunStatus.RUNNING, limit=20)
        to = self._chance.choice(versions).manifest_hash
        await self._orchestrator.versions.migrate([run.id for run in page.runs], to=to, by=BY)

    async def explain(self) -> None:
        run_id, key = await self._some_step()
        await self._orchestrator.explain(run_id, self._chance.choice([None, key]))

    async def _some_run(self, **conditions: object) -> RunRecord:
        page = await self._orchestrator.list_runs(**conditions, limit=100)  # type: ignore[arg-type]
        if not page.runs:
            raise NotFound("there is no such run")
        return self._chance.choice(page.runs)

    async def _some_step(self, *wanted: StepStatus, **conditions: object) -> tuple[UUID, str]:
        """More often one with such a status or, where none is given, one that has not ended."""
        run = await self._some_run(**conditions)
        steps = (await self._orchestrator.get_run(run.id, payloads=False)).steps
        apt = [key for key, each in steps.items() if each.status in (wanted or _OPEN)]
        keys = apt if apt and self._chance.random() < 0.9 else list(steps)
        if not keys:
            raise NotFound("there is no such step")
        return run.id, self._chance.choice(keys)


_Verb = Callable[[Operators], Awaitable[None]]
_VERBS: tuple[_Verb, ...] = (
    *[Operators.trigger] * 4,
    *[Operators.suspend, Operators.fork, Operators.migrate, Operators.run_now] * 3,
    *[Operators.retry_failed, Operators.retry, Operators.complete, Operators.skip, Operators.fail] * 2,
    *(Operators.resume, Operators.cancel, Operators.rerun, Operators.explain),
)


async def main(target: str, seed: str) -> None:
    chance = Random(seed)
    orchestrator = orchestrator_of(target)
    while True:
        try:
            await orchestrator.start(work=False)
            break
        except StorageUnavailable:
            orchestrator = orchestrator_of(target)
            await asyncio.sleep(_LULL_SECONDS)
    say("started")
    people = [Operators(orchestrator, Random(chance.random())) for _ in range(_PEOPLE)]
    await asyncio.gather(*map(_go_on, people))


async def _go_on(operators: Operators) -> None:
    while True:
        await operators.act()
        await asyncio.sleep(_LULL_SECONDS)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main(*sys.argv[1:3]))
