"""People who run runs again, or once more from one of their steps on, at any time."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from uuid import UUID

from floworch.core.engine.requests import Started
from floworch.core.engine.reruns import KEEP, Body, Version
from floworch.core.model.payload import Json, Payload
from floworch.errors import FlowDisabled, InvalidTransition, StorageUnavailable
from tests.simulation.cluster.clients import Clients, NoAnswer
from tests.simulation.cluster.node import Node
from tests.simulation.cluster.witness import Witness
from tests.simulation.forks import is_forkable, kept_keys
from tests.simulation.specs import StepSpec, spec_of

__all__ = ["Copyists"]

_OTHER_BODY = Payload.of({"n": 2, "items": [1]})


class Copyists:
    """They ask the processes that ``clients`` ask. Every question bears another name, and starts one run at most."""

    def __init__(self, clients: Clients, witness: Witness, chance: Random) -> None:
        self._clients = clients
        self._witness = witness
        self._chance = chance
        self._questions = 0

    async def copy(self, seconds: float) -> None:
        """Run some runs again, and fork some."""
        reruns, forks = self._chance.choice([(0, 0), (1, 0), (0, 1), (2, 4)])
        async with asyncio.TaskGroup() as group:
            for _ in range(reruns):
                group.create_task(self._rerun_some_run(self._chance.uniform(0.0, 1.5 * seconds)))
            for _ in range(forks):
                group.create_task(self._fork_some_run(self._chance.uniform(0.0, 1.5 * seconds)))

    async def _rerun_some_run(self, delay: float) -> None:
        await asyncio.sleep(delay)
        if not self._witness.runs:
            return
        run_id = self._chance.choice(list(self._witness.runs))
        by, key = self._name(), self._chance.choice([None, f"copy-{self._questions}"])
        version: Version = self._chance.choice(["same", "latest"])
        while True:
            node = await self._clients.some_node()
            rerun = partial(node.engine.reruns.rerun, run_id, self._body(), version, key, by)
            try:
                self._accept(await self._clients.ask(node, rerun))
            except (StorageUnavailable, NoAnswer):
                if key is None:
                    return  # it may have started, and asking again might start another one
                await asyncio.sleep(1.0)
            except FlowDisabled:
                return
            else:
                return

    async def _fork_some_run(self, delay: float) -> None:
        await asyncio.sleep(delay)
        if not self._witness.runs:
            return
        run_id = self._chance.choice(list(self._witness.runs))
        source, node = self._witness.runs[run_id], await self._clients.some_node()
        steps = [*source.ledger.rows, *(spec.key for spec in source.story.flow.steps)]
        from_step, revision = self._chance.choice(steps), source.revision
        inputs = self._inputs(spec_of(source.story.flow, from_step))
        try:
            started = await self._ask(node, run_id, from_step, inputs)
        except InvalidTransition:
            if source.revision == revision and is_forkable(source.ledger, from_step):
                self._witness.broken(AssertionError(f"{run_id} cannot be forked from {from_step!r}"))
        except (StorageUnavailable, NoAnswer, FlowDisabled):
            return
        else:
            self._accept(started)
            if source.revision == revision:
                self._check_kept(run_id, from_step, started.run_id)

    async def _ask(self, node: Node, run_id: UUID, from_step: str, inputs: dict[str, Json] | None) -> Started:
        fork = partial(node.engine.reruns.fork, run_id, from_step, self._body(), inputs, self._name())
        return await self._clients.ask(node, fork)

    def _check_kept(self, run_id: UUID, from_step: str, copy_id: UUID) -> None:
        source = self._witness.runs[run_id]
        stopped_at = None if source.stop is None else source.stop.at
        kept = kept_keys(source.story.flow, source.ledger, from_step, stopped_at)
        found = self._witness.runs[copy_id].lineage.origins.keys()
        if found != kept:
            self._witness.broken(AssertionError(f"{copy_id} has {found} of {run_id}, and should have {kept}"))

    def _accept(self, started: Started) -> None:
        self._clients.accepted.add(started.run_id)
        run = self._witness.runs.get(started.run_id)
        if run is None or run.facts.source_run_id is None:
            self._witness.broken(AssertionError(f"{started} was the answer, and there is no such copy"))

    def _name(self) -> str:
        self._questions += 1
        return f"copyist-{self._questions}"

    def _body(self) -> Body:
        return self._chance.choice([KEEP, KEEP, _OTHER_BODY])

    def _inputs(self, spec: StepSpec) -> dict[str, Json] | None:
        """Other ones, of a step that has any."""
        has_inputs = not (spec.is_block or spec.signal is not None or spec.child is not None)
        return {"seen": {}} if has_inputs and self._chance.random() < 0.3 else None
