"""The engine's log: one line per change of a run or step, ids as fields, never payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Fact, Transition

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["log_facts"]

_LEVELS = {
    "run.started": "info",
    "run.completed": "info",
    "run.stop_requested": "info",
    "run.reopened": "info",
    "run.migrated": "info",
    "run.suspended": "info",
    "run.resumed": "info",
    "signal.received": "info",
    "signal.taken": "info",
    "step.started": "info",
    "step.completed": "info",
    "step.pending": "info",
    "step.child_started": "info",
    "step.skipped": "info",
    "step.retried": "info",
    "step.released": "info",
    "step.attempt_failed": "warning",
    "step.lost": "warning",
    "step.failed": "error",
    "step.ready": "debug",
    "step.reused": "debug",
    "step.reset": "debug",
    "step.suspended": "debug",
    "step.run_now": "info",
    "step.reopened": "debug",
    "step.continued": "info",
}
_TROUBLE = frozenset({"warning", "error"})
_TOLD = (
    "attempt",
    "status",
    "kind",
    "branch",
    "reason",
    "retry_at",
    "until",
    "poll",
    "iteration",
    "trigger",
    "version",
    "child",
    "name",
    "signal",
    "by",
    "by_hand",
)


def log_facts(log: FilteringBoundLogger, state: RunState, transition: Transition, *, everything: bool) -> None:
    """Tell what was committed; only warnings and errors unless ``everything`` is wanted."""
    for fact in transition.facts:
        level = "info" if "by_hand" in fact else _LEVELS[fact["type"]]  # whoever has decided it knows
        if everything or level in _TROUBLE:
            getattr(log, level)(fact["type"].replace(".", "_"), **_fields(state, fact))


def _fields(state: RunState, fact: Fact) -> dict[str, Any]:
    fields: dict[str, Any] = {"run_id": str(state.facts.run_id), "flow": state.plan.flow_name}
    if "step" in fact:
        fields["step_key"] = fact["step"]
    fields.update({name: fact[name] for name in _TOLD if fact.get(name) is not None})
    if "error" in fact:
        fields["error"] = f"{fact['error']['type']}: {fact['error']['message']}"
    return fields
