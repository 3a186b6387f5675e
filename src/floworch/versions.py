"""Versions of flows for applications: which there are, what differs, and moving runs from one to another."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from floworch.arguments import checked_by, checked_run_id
from floworch.core.engine.migrations import LATEST
from floworch.core.model.diff import ManifestDiff
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.records import FlowVersion
from floworch.core.model.status import RunStatus
from floworch.core.ports.storage import RunFilter
from floworch.errors import (
    AlreadyMigrated,
    ConfigurationError,
    InvalidTransition,
    ManifestNotUnderstood,
    MigrationRefused,
    NotFound,
)

if TYPE_CHECKING:
    from floworch.core.engine.engine import Engine
    from floworch.core.ports.storage import Storage
    from floworch.orchestrator import FlowOrchestrator, FlowReference

__all__ = ["MigrationReport", "Versions"]

_RUNS_PER_PAGE = 200
_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What became of each run."""

    is_dry_run: bool
    """Whether nothing was changed, and ``migrated`` are the runs that could be."""
    migrated: tuple[UUID, ...]
    refused: Mapping[UUID, tuple[str, ...]]
    """Run → everything that stands against it."""
    up_to_date: tuple[UUID, ...] = ()
    """Runs that went by that version before. Of a whole flow, those are not looked at."""


class Versions:
    """``orchestrator.versions``. A flow's versions are its distinct manifests; a run keeps the one that it was started
    with, unless it is migrated. Methods that name a flow raise FlowNotFound."""

    def __init__(self, orchestrator: FlowOrchestrator, engine: Engine, store: Storage) -> None:
        self._orchestrator = orchestrator
        self._engine = engine
        self._store = store

    async def list(self, flow: FlowReference) -> builtins.list[FlowVersion]:
        """Every version of the flow that was ever started with this store; the one that was started last comes last."""
        return await self._store.list_versions(frozenset({self._orchestrator.flow(flow).id}))

    async def manifest(self, flow: FlowReference, version: str = LATEST) -> FlowManifest:
        """A version by the beginning of its hash; ``latest`` is the one that this process has.

        Raises NotFound, and FlowValidationError for a manifest that this version of floworch cannot read.
        """
        found = self._orchestrator.flow(flow)
        if version == LATEST:
            return found.manifest
        hashes = [each.manifest_hash for each in await self.list(flow) if each.manifest_hash.startswith(version)]
        if len(hashes) != 1:
            many = "several versions" if hashes else "no version"
            raise NotFound(f"the flow {found.name!r} has {many} with a hash that begins with {version!r}")
        return FlowManifest.from_json((await self._store.load_manifests(hashes))[hashes[0]], source=hashes[0])

    async def diff(self, flow: FlowReference, old: str, new: str = LATEST) -> ManifestDiff:
        """What has changed between two versions of the flow, named as for :meth:`manifest`. Raises as that."""
        return (await self.manifest(flow, old)).diff(await self.manifest(flow, new))

    async def migrate(
        self,
        runs: UUID | str | Iterable[UUID | str] | None = None,
        *,
        flow: FlowReference | None = None,
        to: str = LATEST,
        dry_run: bool = False,
        by: str | None = None,
    ) -> MigrationReport:
        """Let runs that are under way go on by another version: these, or all of a flow.

        What has begun goes on as it is; what has not is planned anew. A run that has begun something that does not fit
        is refused, with everything that does not, and stays as it is. Steps that are ready or run may end as the old
        version says. ``to`` is ``latest``, the version that this process has, or the beginning of a hash. With
        ``dry_run`` nothing is changed. Raises NotFound, StorageError.
        """
        if (runs is None) == (flow is None):
            raise ConfigurationError("migrate takes runs or a flow, and not both")
        who = checked_by(by)
        migrate = self._engine.migrations.migrate
        work = _Work(lambda run_id: migrate(run_id, to, who, dry_run=dry_run))
        async for page in self._chosen(runs, flow, to):
            await asyncio.gather(*map(work.do, page))
        return MigrationReport(dry_run, tuple(work.migrated), work.refused, tuple(work.up_to_date))

    async def _chosen(
        self, runs: UUID | str | Iterable[UUID | str] | None, flow: FlowReference | None, to: str
    ) -> AsyncIterator[builtins.list[UUID]]:
        if flow is None:
            given = [runs] if isinstance(runs, UUID | str) else runs or ()
            yield list(dict.fromkeys(map(checked_run_id, given)))
            return
        flow_id = self._orchestrator.flow(flow).id
        target = await self._engine.migrations.target(flow_id, to)
        where = RunFilter(flow_id=flow_id, statuses=frozenset({RunStatus.RUNNING}))
        cursor: str | None = None
        while True:
            page = await self._store.list_runs(where, _RUNS_PER_PAGE, cursor)
            yield [run.id for run in page.runs if run.manifest_hash != target.manifest_hash]
            if (cursor := page.next_cursor) is None:
                return


@dataclass(slots=True)
class _Work:
    """A migration on its way through the runs."""

    migrate: Callable[[UUID], Awaitable[object]]
    migrated: list[UUID] = field(default_factory=list)
    up_to_date: list[UUID] = field(default_factory=list)
    refused: dict[UUID, tuple[str, ...]] = field(default_factory=dict)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def do(self, run_id: UUID) -> None:
        async with self.slots:
            try:
                await self.migrate(run_id)
            except AlreadyMigrated:
                self.up_to_date.append(run_id)
            except MigrationRefused as refusal:
                self.refused[run_id] = refusal.problems
            except (InvalidTransition, NotFound, ManifestNotUnderstood) as refusal:
                self.refused[run_id] = (str(refusal),)
            else:
                self.migrated.append(run_id)
