"""What a run does: plain steps, and loops over steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_serializer, model_validator

from floworch.core.model.payload import Json
from floworch.core.model.retry import RetryLike, RetrySettings, StepRetry
from floworch.core.model.run_after import ConditionText, RunAfterEdges, RunAfterInput
from floworch.core.model.wire import JsonValue, Seconds, WireModel, expression_text

__all__ = ["FOR_EACH", "AnyStep", "ForEach", "Step", "StepBase", "is_loop_type"]

FOR_EACH: Final = "ForEach"
_LOOP_PATTERN = "^[Ff][Oo][Rr][Ee][Aa][Cc][Hh]$"


def is_loop_type(step_type: object) -> bool:
    """Whether the word is the type of a loop, whatever its case."""
    return isinstance(step_type, str) and step_type.casefold() == FOR_EACH.casefold()


def _inputs(value: Any) -> Any:
    return {} if value is None else value


def _loop_type(word: Any) -> Any:
    return FOR_EACH if is_loop_type(word) else word


LoopType = Annotated[
    Literal["ForEach"],
    BeforeValidator(_loop_type),
    WithJsonSchema({"type": "string", "pattern": _LOOP_PATTERN, "examples": [FOR_EACH]}, mode="validation"),
]
StepInputs = Annotated[dict[str, JsonValue], BeforeValidator(_inputs)]
ConditionSchema = WithJsonSchema({"type": ["string", "boolean", "null"]}, mode="validation")


class StepBase(WireModel):
    """What plain steps and loops have in common."""

    run_after: RunAfterEdges = Field(default_factory=dict)
    """Steps of the same scope that must be final before this one, and how. Empty: the step starts at once."""
    when: Annotated[ConditionText, ConditionSchema] = None
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


class Step(StepBase):
    """One unit of work, done by the handler that is registered for ``type``."""

    type: Annotated[str, Field(json_schema_extra={"not": {"pattern": _LOOP_PATTERN}})]
    """Name of the handler, compared without case."""
    inputs: StepInputs = Field(default_factory=dict)
    """Values for the handler; strings may be or contain expressions."""
    retry: StepRetry = None
    """Wins over the retry policy of the handler."""
    timeout: Seconds | None = None
    """Seconds that one attempt may take."""
    lease_seconds: Seconds | None = None
    """Seconds without a heartbeat after which an attempt counts as lost."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            type: str,
            run_after: RunAfterInput | None = None,
            when: object = None,
            inputs: Mapping[str, Any] | None = None,
            retry: RetrySettings | RetryLike | Mapping[str, Any] | None = None,
            timeout: float | timedelta | None = None,
            lease_seconds: float | timedelta | None = None,
            description: str | None = None,
        ) -> None: ...

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        fields = handler(self)
        names = ("retry", "timeoutSeconds", "leaseSeconds")
        optional = {name: fields[name] for name in names if fields[name] is not None}
        return {**self.wire_head(self.type), "inputs": fields["inputs"], **optional}


class ForEach(StepBase):
    """Runs ``steps`` once for every item of a list; ends when all iterations have ended."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "forEach", "steps"]})

    type: LoopType = FOR_EACH
    for_each: JsonValue
    """The list, or an expression that gives it."""
    concurrency_limit: Annotated[int, Field(strict=True, json_schema_extra={"minimum": 1})] = 1
    """How many iterations may be under way at once."""
    steps: dict[str, AnyStep] = Field(default_factory=dict)
    """Body of the loop."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            for_each: object,
            steps: Mapping[str, Step | ForEach],
            concurrency_limit: int = 1,
            run_after: RunAfterInput | None = None,
            when: object = None,
            description: str | None = None,
            type: str = FOR_EACH,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_inputs(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "inputs" in data and not data["inputs"]:
            return {name: value for name, value in data.items() if name != "inputs"}
        return data

    @model_serializer
    def _to_wire(self) -> dict[str, Json]:
        return {
            **self.wire_head(FOR_EACH),
            "forEach": self.for_each,
            "concurrencyLimit": self.concurrency_limit,
            "steps": {key: step.model_dump() for key, step in self.steps.items()},
        }


def _parse_step(value: Any) -> Any:
    if isinstance(value, StepBase):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"Expected a step such as {{'type': 'LogMessage'}}, got {value!r}.")
    return (ForEach if is_loop_type(value.get("type")) else Step).model_validate(value)


AnyStep: TypeAlias = Annotated[Step | ForEach, BeforeValidator(_parse_step)]
"""One step; a ``type`` of ForEach, whatever its case, makes it a loop."""


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


ForEach.model_rebuild()
