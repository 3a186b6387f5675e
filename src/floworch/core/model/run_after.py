"""On which outcome of which steps a step waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_serializer

from floworch.core.model.payload import Json
from floworch.core.model.spelling import did_you_mean
from floworch.core.model.status import FINAL_STEP_STATUSES, StepStatus
from floworch.core.model.wire import WireModel, expression_text, mistake

__all__ = ["ConditionText", "RunAfter", "RunAfterEdges", "RunAfterInput"]

_FINAL_WORDS = tuple(status for status in StepStatus if status in FINAL_STEP_STATUSES)
_NUMBERS = {0: "Pending", 1: "Running", 2: "Succeeded", 3: "Failed", 4: "Skipped"}
"""Statuses as FlowOrchestrator for .NET may write them."""


def _condition_text(value: Any) -> Any:
    value = expression_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if isinstance(value, str) and not value.strip() else value


ConditionText = Annotated[str | None, BeforeValidator(_condition_text)]
"""A boolean expression. Blank means none; a typed reference becomes its text."""


def _status_list(value: Any) -> Any:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(value)
    raise ValueError(f"Expected a list of statuses such as ['Succeeded', 'Failed'], got {value!r}.")


def _in_fixed_order(statuses: tuple[StepStatus, ...]) -> tuple[StepStatus, ...]:
    return tuple(status for status in _FINAL_WORDS if status in statuses)


def _status(word: Any) -> StepStatus:
    text = _NUMBERS.get(word, str(word)) if isinstance(word, int) and not isinstance(word, bool) else str(word)
    for status in StepStatus:
        if status.value.casefold() == text.casefold():
            return _final(status)
    choices = ", ".join(_FINAL_WORDS)
    hint = did_you_mean(text, _FINAL_WORDS) or f" Use one of {choices}."
    raise mistake("unknown_status", f"Unknown status {word!r}.{hint}")


def _final(status: StepStatus) -> StepStatus:
    if status.is_final:
        return status
    message = f"A step cannot run after the status '{status}': only final ones count ({', '.join(_FINAL_WORDS)})."
    raise mistake("status_not_final", message)


class RunAfter(WireModel):
    """What a step demands of one step before it."""

    statuses: Annotated[
        tuple[Annotated[StepStatus, BeforeValidator(_status)], ...],
        BeforeValidator(_status_list),
        AfterValidator(_in_fixed_order),
        Field(json_schema_extra={"items": {"enum": [str(word) for word in _FINAL_WORDS]}}),
    ] = ()
    """Final statuses that satisfy the dependency. Empty: any of them."""
    when: ConditionText = None
    """Boolean expression that must hold as well; it is evaluated once all statuses are satisfied."""

    if TYPE_CHECKING:

        def __init__(self, *, statuses: Sequence[StepStatus | str] = (), when: object = None) -> None: ...

    @property
    def accepted(self) -> frozenset[StepStatus]:
        """The statuses that satisfy the dependency, never empty."""
        return frozenset(self.statuses) or FINAL_STEP_STATUSES

    @model_serializer
    def _to_wire(self) -> dict[str, Json]:
        wire: dict[str, Json] = {"statuses": [str(status) for status in self.statuses]} if self.statuses else {}
        return wire | ({"when": self.when} if self.when else {})


RunAfterInput: TypeAlias = (
    Mapping[str, RunAfter | Sequence[StepStatus | str] | Mapping[str, Any] | None] | Sequence[str]
)
"""What ``run_after`` accepts: step keys (all must have Succeeded), or step key → statuses or :class:`RunAfter`."""


def _edges(value: Any) -> Any:
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {key: _edge(demand) for key, demand in value.items() if demand is not None}
    if isinstance(value, list | tuple) and all(isinstance(key, str) for key in value):
        return {key: RunAfter(statuses=[StepStatus.SUCCEEDED]) for key in value}
    raise ValueError(f"Expected a list of step keys or an object of step key to statuses, got {value!r}.")


def _edge(demand: Any) -> Any:
    if isinstance(demand, Mapping):
        return {_lower_case_word(key): item for key, item in demand.items()}
    return demand if isinstance(demand, RunAfter) else {"statuses": demand}


def _lower_case_word(key: Any) -> Any:
    return key.lower() if isinstance(key, str) and key.lower() in RunAfter.model_fields else key


_EDGE_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "description": "Step keys; all must have Succeeded."},
        {
            "type": "object",
            "description": "Step key to accepted final statuses, or to statuses and a condition.",
            "additionalProperties": {
                "anyOf": [
                    {"type": "array", "items": {"enum": [str(word) for word in _FINAL_WORDS]}},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "statuses": {"type": "array", "items": {"enum": [str(word) for word in _FINAL_WORDS]}},
                            "when": {"type": ["string", "boolean"], "description": "Boolean expression."},
                        },
                    },
                ]
            },
        },
    ]
}

RunAfterEdges = Annotated[dict[str, RunAfter], BeforeValidator(_edges), WithJsonSchema(_EDGE_SCHEMA, mode="validation")]
"""Step key → demand, in the order written."""
