"""Names of limits, as people write them and as the store has them, and what this process knows of what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from floworch.arguments import checked_type
from floworch.core.handlers.registry import engines_own
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.limits import flow_limit, key_limit, type_limit
from floworch.core.model.spelling import did_you_mean
from floworch.errors import FlowNotFound, NotFound

if TYPE_CHECKING:
    from floworch.core.engine.engine import Engine
    from floworch.orchestrator import FlowOrchestrator

__all__ = ["LimitNames"]


class LimitNames:
    """``type:<step type>``, ``flow:<flow>`` and ``key:<flow>``; the flow by its name or id, in the store by its id."""

    def __init__(self, orchestrator: FlowOrchestrator, engine: Engine) -> None:
        self._orchestrator = orchestrator
        self._engine = engine

    def stored(self, name: str) -> str:
        """The name in the store. Raises NotFound for what is no name, FlowNotFound for the name of an unknown flow."""
        kind, _, what = name.partition(":")
        if kind == "type" and what.strip():
            return type_limit(checked_type(what.strip()))
        if kind in ("flow", "key") and what:
            flow_id = self._flow_id(what)
            return flow_limit(flow_id) if kind == "flow" else key_limit(flow_id)
        raise NotFound(f"there is no limit {name!r}; write type:<step type>, flow:<flow> or key:<flow>")

    def shown(self, stored: str) -> str:
        """The name for people."""
        kind, _, what = stored.partition(":")
        if kind == "type":
            spelled = (each for each in self._engine.known_types if each.casefold() == what)
            return f"type:{next(spelled, what)}"
        flow = self._known_flow(what)
        return stored if flow is None else f"{kind}:{flow.name}"

    def warning(self, stored: str) -> str | None:
        """Why the limit may limit nothing, as far as this process knows; None when there is no reason to think so."""
        kind, _, what = stored.partition(":")
        if kind == "type":
            return self._warning_of_type(what)
        flow = self._known_flow(what)
        if flow is None:
            return f"no flow here has the id {what}; another process may have it."
        if kind == "key" and flow.manifest.concurrency_key is None:
            return f"runs of the flow {flow.name!r} have no keys: its manifest has no concurrency_key."
        return None

    def _warning_of_type(self, folded: str) -> str | None:
        if own := engines_own(folded):
            return f"steps of the type {own!r} are carried out by the engine itself, and are not limited."
        known = self._engine.known_types
        if any(type_limit(each) == type_limit(folded) for each in known):
            return None
        hint = did_you_mean(folded, known)
        return f"no flow and no handler here has the step type {folded!r}; another process may have it.{hint}"

    def _flow_id(self, reference: str) -> UUID:
        try:
            return self._orchestrator.flow(reference).id
        except FlowNotFound:
            try:
                return UUID(reference)  # of another application on the same store, or of a flow that is no more
            except ValueError:
                pass
            raise

    def _known_flow(self, flow_id: str) -> FlowDefinition | None:
        try:
            return self._orchestrator.flow(flow_id)
        except FlowNotFound:
            return None
