"""Plans by manifest hash: those of the registered flows, and those that older runs are pinned to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.state import RunFacts
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.status import RunStatus
from floworch.core.ports.storage import Storage
from floworch.errors import FlowNotFound, FloworchError, ManifestNotUnderstood, StorageError
from floworch.observability.logging import get_library_logger

__all__ = ["Plans"]


class Plans:
    """``current`` maps flow ids to the plans of the flows as they are registered in this process.

    ``told_ends`` are the ends of runs that somebody is told of, by flow.
    """

    def __init__(
        self,
        store: Storage,
        flows: list[FlowDefinition],
        polling_types: frozenset[str],
        told_ends: Mapping[UUID, frozenset[RunStatus]] | None = None,
    ) -> None:
        self._store = store
        self._told_ends = told_ends or {}
        self._polling_types = polling_types
        self._log = get_library_logger("floworch.engine")
        self._not_understood: dict[tuple[UUID, str], str] = {}
        self.current = {flow.id: self._compile(flow.id, flow.name, flow.version, flow.manifest) for flow in flows}
        self._by_hash = {(plan.flow_id, plan.manifest_hash): plan for plan in self.current.values()}

    def with_manifest(self, plan: FlowPlan, manifest: FlowManifest) -> FlowPlan:
        """The plan of another manifest for the same flow and version."""
        return self._compile(plan.flow_id, plan.flow_name, plan.version, manifest)

    def current_of(self, flow_id: UUID) -> FlowPlan:
        """Plan that new runs of the flow start with. Raises FlowNotFound."""
        try:
            return self.current[flow_id]
        except KeyError:
            raise FlowNotFound(f"no flow with the id {flow_id} is registered; call add_flow() with it") from None

    def current_by_name(self, reference: str) -> FlowPlan | None:
        """The same by the flow's id, as text, or by its name; None for a flow that is not registered."""
        for plan in self.current.values():
            if plan.flow_name == reference:
                return plan
        try:
            return self.current.get(UUID(reference))
        except ValueError:
            return None

    async def of(self, facts: RunFacts) -> FlowPlan:
        """Plan that the run is pinned to, whether or not its flow is still registered. Raises ManifestNotUnderstood."""
        return await self._plan((facts.flow_id, facts.manifest_hash))

    async def version(self, flow_id: UUID, manifest_hash: str, label: str) -> FlowPlan:
        """Plan of any version of a flow that the store has. Raises ManifestNotUnderstood."""
        current = self.current.get(flow_id)
        if current is not None and current.manifest_hash == manifest_hash:
            return current
        return replace(await self._plan((flow_id, manifest_hash)), version=label)

    async def understands(self, flow_id: UUID, manifest_hash: str) -> bool:
        """Whether this process can read the version."""
        try:
            await self._plan((flow_id, manifest_hash))
        except ManifestNotUnderstood:
            return False
        return True

    @property
    def not_understood(self) -> frozenset[str]:
        """Hashes of the manifests that this process has met and cannot read."""
        return frozenset(manifest_hash for _, manifest_hash in self._not_understood)

    async def _plan(self, key: tuple[UUID, str]) -> FlowPlan:
        plan = self._by_hash.get(key)
        if plan is None:
            plan = self._by_hash[key] = await self._load(*key)
        return plan

    async def _load(self, flow_id: UUID, manifest_hash: str) -> FlowPlan:
        known = self._not_understood.get((flow_id, manifest_hash))
        if known is not None:
            raise ManifestNotUnderstood(known)
        found = await self._store.load_manifests([manifest_hash])
        if manifest_hash not in found:
            raise StorageError(f"the store has lost the manifest {manifest_hash} of the flow {flow_id}")
        current = self.current.get(flow_id)
        name = current.flow_name if current else str(flow_id)
        try:
            return self._compile(flow_id, name, "", FlowManifest.from_json(found[manifest_hash]))
        except (FloworchError, LookupError, TypeError, ValueError) as error:
            raise self._cannot_read(flow_id, manifest_hash, error) from error

    def _cannot_read(self, flow_id: UUID, manifest_hash: str, error: Exception) -> ManifestNotUnderstood:
        """Note it: such runs are left to newer processes, and one line in the log is enough."""
        why = (
            f"the version {manifest_hash:.12} of the flow {flow_id} was made for another floworch, and this one cannot "
            f"read it: {error}"
        )
        self._not_understood[flow_id, manifest_hash] = why
        self._log.warning(
            "manifest_not_understood", flow_id=str(flow_id), manifest_hash=manifest_hash, error=str(error)
        )
        return ManifestNotUnderstood(why)

    def _compile(self, flow_id: UUID, name: str, version: str, manifest: FlowManifest) -> FlowPlan:
        plan = compile_manifest(flow_id, name, version, manifest, self._polling_types)
        told_ends = self._told_ends.get(flow_id)
        return replace(plan, told_ends=told_ends) if told_ends else plan
