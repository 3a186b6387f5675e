"""What people decide about runs and steps, at any time and with little regard for whether that makes sense."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import UUID

from floworch.core.machine.commands import (
    CompleteStep,
    FailStep,
    Override,
    ResumeRun,
    RunStepNow,
    SkipStep,
    SuspendRun,
)
from floworch.core.model.payload import Payload
from floworch.errors import InvalidTransition, StepNotFound, StorageUnavailable
from tests.simulation.cluster.clients import Clients, NoAnswer
from tests.simulation.cluster.witness import Witness

__all__ = ["Operators"]


class Operators:
    """They ask the processes that ``clients`` ask."""

    def __init__(self, clients: Clients, witness: Witness, chance: Random) -> None:
        self._clients = clients
        self._witness = witness
        self._chance = chance
        self._questions = 0

    async def decide(self, seconds: float) -> None:
        """Suspend runs, and end or hurry steps by hand."""
        suspensions, overrides = self._chance.choice([(0, 0), (0, 0), (1, 0), (0, 3), (2, 3)])
        async with asyncio.TaskGroup() as group:
            for _ in range(suspensions):
                group.create_task(self._suspend_some_run(self._chance.uniform(0.0, seconds)))
            for _ in range(overrides):
                group.create_task(self._override_some_step(self._chance.uniform(0.0, 2 * seconds)))

    async def resume_what_is_suspended(self) -> None:
        """Nothing stays suspended for long, whoever has suspended it and heard no answer."""
        while True:
            await asyncio.sleep(self._chance.choice([1.0, 5.0, 20.0]))
            for run_id, run in list(self._witness.runs.items()):
                if run.suspension is not None:
                    await self._tell(run_id, ResumeRun(self._name()))

    async def _suspend_some_run(self, delay: float) -> None:
        await asyncio.sleep(delay)
        if not (runs := self._witness.open_runs):
            return
        run_id = self._chance.choice(runs)
        await self._tell(run_id, SuspendRun("wait a moment", self._name()))

    async def _override_some_step(self, delay: float) -> None:
        await asyncio.sleep(delay)
        steps = [
            (run_id, key)
            for run_id, run in self._witness.runs.items()
            for key, row in run.ledger.rows.items()
            if not row.is_final or self._chance.random() < 0.05
        ]
        if not steps:
            return
        run_id, key = self._chance.choice(steps)
        await self._tell(run_id, self._override(key))

    def _override(self, key: str) -> CompleteStep | FailStep | SkipStep | RunStepNow:
        match self._chance.choice(["complete", "fail", "skip", "now", "now"]):
            case "complete":
                return CompleteStep(key, Payload.of({"n": 1}), "by hand", self._name())
            case "fail":
                return FailStep(key, "hopeless", self._name())
            case "skip":
                return SkipStep(key, "not needed", self._name())
            case _:
                return RunStepNow(key, self._name())

    def _name(self) -> str:
        """Of whoever asks: everybody asks once."""
        self._questions += 1
        return f"operator-{self._questions}"

    async def _tell(self, run_id: UUID, command: SuspendRun | ResumeRun | Override) -> None:
        node = await self._clients.some_node()
        try:
            await self._clients.ask(node, lambda: node.engine.submit(run_id, command))
        except (InvalidTransition, StepNotFound):
            self._witness.check_done(run_id, command.by, told=False)
        except (StorageUnavailable, NoAnswer):
            return
        else:
            self._witness.check_done(run_id, command.by, told=True)
