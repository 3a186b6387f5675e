"""Moving runs to other versions of their flows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.engine.plans import Plans
from floworch.core.engine.runs import Runs
from floworch.core.machine.commands import Command, MigrateRun
from floworch.core.machine.migration import require_migratable
from floworch.core.ports.storage import Storage
from floworch.errors import NotFound, RunNotFound

__all__ = ["LATEST", "Migrations"]

LATEST = "latest"
"""The version of a flow that this process has."""


class Migrations:
    """``submit`` hands a command to the engine."""

    def __init__(
        self, store: Storage, runs: Runs, plans: Plans, submit: Callable[[UUID, Command], Awaitable[object]]
    ) -> None:
        self._store = store
        self._runs = runs
        self._plans = plans
        self._submit = submit

    async def target(self, flow_id: UUID, to: str) -> FlowPlan:
        """The plan of a version, which is :data:`LATEST` or the beginning of a hash.

        Raises FlowNotFound, NotFound, ManifestNotUnderstood."""
        if to == LATEST:
            return self._plans.current_of(flow_id)
        versions = await self._store.list_versions(frozenset({flow_id}))
        found = [version for version in versions if version.manifest_hash.startswith(to)]
        if len(found) != 1 or not to:
            words = "several versions" if found else "no version"
            known = ", ".join(version.manifest_hash[:12] for version in versions) or "none"
            raise NotFound(f"the flow {flow_id} has {words} with a hash that begins with {to!r}; there are {known}")
        return await self._plans.version(flow_id, found[0].manifest_hash, found[0].version)

    async def migrate(self, run_id: UUID, to: str, by: str | None, *, dry_run: bool) -> None:
        """Move the run, or only look whether it could be.

        Raises RunNotFound, MigrationRefused, InvalidTransition, StorageError, and as :meth:`target`."""
        record = await self._store.get_run(run_id)
        if record is None:
            raise RunNotFound(f"there is no run {run_id}")
        plan = await self.target(record.flow_id, to)
        if dry_run:
            await self._check(run_id, plan)
        else:
            await self._submit(run_id, MigrateRun(plan, by))

    async def _check(self, run_id: UUID, plan: FlowPlan) -> None:
        stored = (await self._store.load([run_id])).get(run_id)
        if stored is None:
            raise RunNotFound(f"there is no run {run_id}")
        require_migratable((await self._runs.rebuilt(stored)).state, plan)
