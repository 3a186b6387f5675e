"""New runs made of older ones: the same once more, or from one of its steps on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final, Literal, TypeAlias
from uuid import UUID

from floworch.core.dag.edited import input_faults, with_inputs
from floworch.core.dag.lookup import find_step
from floworch.core.dag.plan import FlowPlan
from floworch.core.dag.validate import validate_manifest
from floworch.core.engine.inheritance import load_inheritance
from floworch.core.engine.new_runs import NewRuns
from floworch.core.engine.plans import Plans
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Started, Starting
from floworch.core.engine.time_limits import TimeLimit, time_limit_of
from floworch.core.handlers.lookup import Handlers
from floworch.core.machine.draft import who
from floworch.core.machine.forks import Inheritance
from floworch.core.machine.state import RunFacts
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import RunRecord
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import FlowProblem, FlowValidationError, RunNotFound

__all__ = ["KEEP", "Body", "Keep", "Reruns", "Version"]

_BODY: Final = PayloadRef(PayloadKind.BODY)
_HEADERS: Final = PayloadRef(PayloadKind.HEADERS)


class Keep(Enum):
    """The type of :data:`KEEP`."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""Stands for the body that the older run was started with."""

Body: TypeAlias = Payload | Literal[Keep.KEEP] | None
Version: TypeAlias = Literal["same", "latest"]


@dataclass(frozen=True, slots=True)
class _Source:
    """The older run. ``facts`` are what it was started with."""

    facts: RunFacts
    record: RunRecord
    plan: FlowPlan
    """With the flow's name and version as they were."""
    body: Payload | None
    headers: Payload | None
    stopped_at: datetime | None
    """When the run was asked to stop."""
    time_limit: TimeLimit | None
    """The whole time it had. None for a child, whose time was its parent's."""


class Reruns:
    """``start`` starts a run; ``require_startable`` raises FlowNotFound and FlowDisabled."""

    def __init__(
        self,
        store: Storage,
        plans: Plans,
        new_runs: NewRuns,
        handlers: Handlers,
        clock: Clock,
        start: Callable[[Starting], Awaitable[Started]],
        require_startable: Callable[[UUID], None],
    ) -> None:
        self._store = store
        self._plans = plans
        self._new_runs = new_runs
        self._handlers = handlers
        self._clock = clock
        self._start = start
        self._require_startable = require_startable

    async def rerun(
        self,
        run_id: UUID,
        body: Body = KEEP,
        version: Version = "same",
        idempotency_key: str | None = None,
        by: str | None = None,
    ) -> Started:
        """Start a run of the same flow, by the same trigger and with the same headers; without a key that is known."""
        source = await self._source(run_id)
        plan, limit = source.plan, source.time_limit
        if version == "latest":
            plan, limit = self._plans.current_of(plan.flow_id), None
        told = {"rerun_of": str(run_id), **who(by)}
        return await self._start(self._starting(source, plan, body, limit, told, idempotency_key))

    async def fork(
        self,
        run_id: UUID,
        from_step: str,
        body: Body = KEEP,
        inputs: Mapping[str, Json] | None = None,
        by: str | None = None,
    ) -> Started:
        """Start a run that takes over what does not come after the step, and goes on from there.

        Raises StepNotFound, InvalidTransition when the step cannot be forked from, FlowValidationError for inputs.
        """
        source = await self._source(run_id)
        inherited = await load_inheritance(self._store, source.plan, run_id, from_step, source.stopped_at)
        plan = source.plan
        if inputs:
            plan = await self._with_inputs(plan, from_step, inputs)
        told = {"fork_of": str(run_id), "from_step": from_step, **who(by)}
        return await self._start(self._starting(source, plan, body, source.time_limit, told, None, inherited))

    async def _with_inputs(self, plan: FlowPlan, step_key: str, inputs: Mapping[str, Json]) -> FlowPlan:
        """The plan of a manifest, kept from now on, that differs from the plan's in the inputs of one step."""
        found = await self._store.load_manifests([plan.manifest_hash])
        manifest = with_inputs(FlowManifest.from_json(found[plan.manifest_hash]), step_key, inputs)
        problems = validate_manifest(manifest, plan.flow_name) or self._unknown(plan, manifest, step_key, inputs)
        if problems:
            raise FlowValidationError(problems)
        await self._store.save_manifests({manifest.content_hash: manifest.to_json()})
        return self._plans.with_manifest(plan, manifest)

    def _unknown(
        self, plan: FlowPlan, manifest: FlowManifest, step_key: str, inputs: Mapping[str, Json]
    ) -> list[FlowProblem]:
        """Inputs that the handler of the step does not take, if this process has it."""
        step = find_step(plan, step_key)
        assert step is not None  # what is taken over was found by it
        check = self._handlers.name_check(step.type)
        if check is None:
            return []
        return input_faults(manifest, plan.flow_name, step_key, inputs.keys(), check, polls=step.poll is not None)

    async def _source(self, run_id: UUID) -> _Source:
        stored = (await self._store.load([run_id])).get(run_id)
        record = await self._store.get_run(run_id)
        if stored is None or record is None:
            raise RunNotFound(f"there is no run {run_id}")
        self._require_startable(record.flow_id)
        plan = await self._plans.of(stored.facts)
        if not plan.version:  # of a manifest that is no more the flow's: only the runs know which version it was
            plan = replace(plan, flow_name=record.flow_name, version=record.flow_version)
        payloads = await self._store.load_payloads(run_id, [_BODY, _HEADERS])
        stopped_at = None if stored.stop is None else stored.stop.at
        limit = None if stored.facts.parent is not None else await time_limit_of(self._store, record)
        return _Source(stored.facts, record, plan, payloads[_BODY], payloads[_HEADERS], stopped_at, limit)

    def _starting(
        self,
        source: _Source,
        plan: FlowPlan,
        body: Body,
        limit: TimeLimit | None,
        told: Mapping[str, Json],
        idempotency_key: str | None,
        inherited: Inheritance | None = None,
    ) -> Starting:
        facts, now = source.facts, self._clock.now()
        given = source.body if isinstance(body, Keep) else body
        new = self._new_runs.facts(
            *(plan, facts.trigger_key, now, given, source.headers),
            tags={name: value for name, value in facts.tags.items() if name not in source.plan.tags},
            source_run_id=facts.run_id,
            idempotency_key=idempotency_key,
            priority=facts.priority,
            scheduled_at=facts.scheduled_at,
        )
        deadline = self._new_runs.deadline(plan, now, limit)
        told = {**deadline.told, **told}
        return Starting(new, plan, deadline.at, given, source.headers, None, Reply(), told, inherited)
