"""What all steps have in common: when they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema, model_validator

from floworch.core.model.payload import Json
from floworch.core.model.run_after import ConditionText, RunAfterEdges
from floworch.core.model.wire import WireModel, expression_text

__all__ = ["StepBase"]

_ConditionSchema = WithJsonSchema({"type": ["string", "boolean", "null"]}, mode="validation")


class StepBase(WireModel):
    """Where a step stands in its scope."""

    run_after: RunAfterEdges = Field(default_factory=dict)
    """Steps of the same scope that must be final before this one, and how. Empty: the step starts at once."""
    when: Annotated[ConditionText, _ConditionSchema] = None
    """Boolean expression; the step is skipped when it is false."""
    description: str | None = None
    """For people."""

    @model_validator(mode="before")
    @classmethod
    def _move_entry_guard(cls, data: Any) -> Any:
        return _with_entry_guard(data) if isinstance(data, Mapping) else data

    def wire_head(self, step_type: str) -> dict[str, Json]:
        """The JSON fields of every step, ``type`` first; optional ones only when they are set."""
        wire: dict[str, Json] = {"type": step_type}
        if self.description:
            wire["description"] = self.description
        wire["runAfter"] = {key: demand.model_dump() for key, demand in self.run_after.items()}
        if self.when:
            wire["when"] = self.when
        return wire


def _with_entry_guard(data: Mapping[str, Any]) -> Mapping[str, Any]:
    name = "runAfter" if "runAfter" in data else "run_after"
    edges = data.get(name)
    if not isinstance(edges, Mapping) or "" not in edges:
        return data
    guard = _guard_text(edges[""])
    others = {key: demand for key, demand in edges.items() if key != ""}
    return {**data, name: others, "when": _both(data.get("when"), guard)}


def _guard_text(guard: Any) -> Any:
    """The ``when`` of the key ``""``, by which FlowOrchestrator for .NET guards an entry step."""
    demand = {} if guard is None else guard
    if not isinstance(demand, Mapping):
        demand = demand.model_dump() if isinstance(demand, WireModel) else {"statuses": demand}
    fields = {str(name).lower(): value for name, value in demand.items()}
    if fields.get("statuses") or fields.keys() - {"statuses", "when"}:
        raise ValueError("The runAfter key '' may only hold a 'when'; name the step that the statuses are about.")
    return fields.get("when")


def _both(first: Any, second: Any) -> Any:
    first, second = expression_text(first), expression_text(second)
    if not first or not second:
        return first or second
    return f"({first}) && ({second})"
