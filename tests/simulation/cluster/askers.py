"""What people want to know while all this goes on: why runs and steps are where they are, and whether all is well."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import UUID

from floworch.core.explain import Explanation
from floworch.core.model.status import RunStatus
from floworch.errors import RunNotFound, StorageUnavailable
from tests.simulation.cluster.clients import Clients, NoAnswer
from tests.simulation.cluster.witness import Witness

__all__ = ["Askers"]


class Askers:
    """They ask the processes that ``clients`` ask, and change nothing."""

    def __init__(self, clients: Clients, witness: Witness, chance: Random) -> None:
        self._clients = clients
        self._witness = witness
        self._chance = chance
        self.know_enough = False

    async def ask_why(self) -> None:
        """Ask about any run and step, whatever happens to the process that is asked, until they know enough."""
        while not self.know_enough:
            await asyncio.sleep(self._chance.choice([0.3, 3.0, 10.0]))
            await self._ask_health()
            if runs := list(self._witness.runs):
                run_id = self._chance.choice(runs)
                rows = [None, *self._witness.runs[run_id].ledger.rows]
                await self._ask_why(run_id, self._chance.choice(rows))

    async def _ask_health(self) -> None:
        node = await self._clients.some_node()
        try:
            await self._clients.ask(node, lambda: node.engine.checkup.health(5.0))
        except NoAnswer:
            return

    async def _ask_why(self, run_id: UUID, key: str | None) -> None:
        node = await self._clients.some_node()
        try:
            told = await self._clients.ask(node, lambda: node.engine.explaining.explain(run_id, key))
        except (StorageUnavailable, NoAnswer, RunNotFound):
            return
        if key is None:
            self._check(told)

    def _check(self, told: Explanation) -> None:
        waits = [reason for reason in told.reasons if not reason.code.is_about_the_past]
        if told.status == RunStatus.RUNNING and not waits:
            self._witness.broken(AssertionError(f"{told.about} runs, and nobody says what it waits for"))
        if told.status != RunStatus.RUNNING and waits:
            self._witness.broken(AssertionError(f"{told.about} has ended {told.status}, and is said to wait: {waits}"))
