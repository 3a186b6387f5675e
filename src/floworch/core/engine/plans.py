"""Plans by manifest hash: those of the registered flows, and those that older runs are pinned to."""

from __future__ import annotations

from uuid import UUID

from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.state import RunFacts
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.manifest import FlowManifest
from floworch.core.ports.storage import Storage
from floworch.errors import FlowNotFound, StorageError

__all__ = ["Plans"]


class Plans:
    """``current`` maps flow ids to the plans of the flows as they are registered in this process."""

    def __init__(self, store: Storage, flows: list[FlowDefinition], polling_types: frozenset[str]) -> None:
        self._store = store
        self._polling_types = polling_types
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
        """Plan that the run is pinned to, whether or not its flow is still registered."""
        key = (facts.flow_id, facts.manifest_hash)
        plan = self._by_hash.get(key)
        if plan is None:
            plan = self._by_hash[key] = await self._load(facts)
        return plan

    async def _load(self, facts: RunFacts) -> FlowPlan:
        found = await self._store.load_manifests([facts.manifest_hash])
        if facts.manifest_hash not in found:
            raise StorageError(f"the store has lost the manifest {facts.manifest_hash} of run {facts.run_id}")
        current = self.current.get(facts.flow_id)
        name = current.flow_name if current else str(facts.flow_id)
        return self._compile(facts.flow_id, name, "", FlowManifest.from_json(found[facts.manifest_hash]))

    def _compile(self, flow_id: UUID, name: str, version: str, manifest: FlowManifest) -> FlowPlan:
        return compile_manifest(flow_id, name, version, manifest, self._polling_types)
