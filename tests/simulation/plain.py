"""States and transitions as values that can be compared and printed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.state import RunState
from floworch.core.model.payload import Payload

__all__ = ["frozen", "plain"]


def frozen(state: RunState) -> object:
    """What a decision must not change, copied."""
    return (
        state.revision,
        state.status,
        state.deadline,
        state.stop,
        state.ended_at,
        dict(state.steps),
        dict(state.open_steps),
        dict(state.unmet),
    )


def plain(value: object) -> object:
    """Containers, dataclasses and payloads as lists and texts; sets in order, dicts in theirs."""
    match value:
        case Payload():
            return value.text
        case FlowPlan():
            return value.manifest_hash
        case dict():
            return [(plain(key), plain(item)) for key, item in value.items()]
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return sorted(str(item) for item in value)
        case _ if is_dataclass(value):
            return [(found.name, plain(getattr(value, found.name))) for found in fields(value)]
        case _:
            return repr(value)
