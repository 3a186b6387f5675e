"""What a run does: plain steps, and the blocks that hold steps themselves: loops and scopes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_serializer, model_validator

from floworch.core.model.payload import Json
from floworch.core.model.retry import RetryLike, RetrySettings, StepRetry
from floworch.core.model.run_after import RunAfterInput
from floworch.core.model.step_base import StepBase
from floworch.core.model.wire import JsonValue, Pause, Seconds, WireModel, expression_text

__all__ = [
    "FOR_EACH",
    "SCOPE",
    "UNTIL",
    "AnyStep",
    "Block",
    "Compensation",
    "ForEach",
    "OnItemFailure",
    "Scope",
    "Step",
    "StepBase",
    "Until",
    "block_type",
]

FOR_EACH: Final = "ForEach"
UNTIL: Final = "Until"
SCOPE: Final = "Scope"
_BLOCK_TYPES: Final = {word.casefold(): word for word in (FOR_EACH, UNTIL, SCOPE)}


def block_type(step_type: object) -> str | None:
    """``ForEach``, ``Until`` or ``Scope`` for the type of a block, whatever its case; None for that of a plain step."""
    return _BLOCK_TYPES.get(step_type.casefold()) if isinstance(step_type, str) else None


def _inputs(value: Any) -> Any:
    return {} if value is None else value


def _canonical_type(word: Any) -> Any:
    return block_type(word) or word


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter.lower()}]" for letter in word)


def _type_schema(word: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{_any_case(word)}$", "examples": [word]}, mode="validation")


_Canonical = BeforeValidator(_canonical_type)
_PLAIN_TYPE: Final[dict[str, Any]] = {"not": {"pattern": f"^({'|'.join(map(_any_case, _BLOCK_TYPES.values()))})$"}}
StepInputs = Annotated[dict[str, JsonValue], BeforeValidator(_inputs)]
ExpressionText = Annotated[str, BeforeValidator(expression_text)]
OnItemFailure: TypeAlias = Literal["fail", "continue", "stopNew"]


class Compensation(WireModel):
    """Undoes what a step of a scope has done. It runs when the scope fails or the run is cancelled."""

    type: Annotated[str, Field(json_schema_extra=_PLAIN_TYPE)]
    """Name of the handler, compared without case."""
    inputs: StepInputs = Field(default_factory=dict)
    """Values for the handler; expressions may read the steps of the scope."""
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
            inputs: Mapping[str, Any] | None = None,
            retry: RetrySettings | RetryLike | Mapping[str, Any] | None = None,
            timeout: float | timedelta | None = None,
            lease_seconds: float | timedelta | None = None,
        ) -> None: ...

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        fields = handler(self)
        return {"type": self.type, "inputs": fields["inputs"], **_settings(fields)}


class Step(StepBase):
    """One unit of work, done by the handler that is registered for ``type``."""

    type: Annotated[str, Field(json_schema_extra=_PLAIN_TYPE)]
    """Name of the handler, compared without case."""
    inputs: StepInputs = Field(default_factory=dict)
    """Values for the handler; strings may be or contain expressions."""
    retry: StepRetry = None
    """Wins over the retry policy of the handler."""
    timeout: Seconds | None = None
    """Seconds that one attempt may take."""
    lease_seconds: Seconds | None = None
    """Seconds without a heartbeat after which an attempt counts as lost."""
    compensate: Compensation | None = None
    """Undoes the step when the scope around it fails or the run is cancelled; only in scopes."""

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
            compensate: Compensation | None = None,
            description: str | None = None,
        ) -> None: ...

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        fields = handler(self)
        wire = {**self.wire_head(self.type), "inputs": fields["inputs"], **_settings(fields)}
        if self.compensate is not None:
            wire["compensate"] = fields["compensate"]
        return wire


class Block(StepBase, ABC):
    """A step that is made of steps; it ends when they have."""

    @property
    def word(self) -> str:
        """The type, one of the three words for blocks."""
        return type(self).__name__

    @abstractmethod
    def branches(self) -> Mapping[str, Mapping[str, AnyStep]]:
        """Its groups of steps by their JSON names: ``steps``, and ``catch`` and ``finally`` where a scope has them."""

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_inputs(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "inputs" in data and not data["inputs"]:
            return {name: value for name, value in data.items() if name != "inputs"}
        return data

    def _wire_branches(self) -> dict[str, Json]:
        return {
            name: {key: step.model_dump() for key, step in steps.items()} for name, steps in self.branches().items()
        }


class ForEach(Block):
    """Runs ``steps`` once for every item of a list; ends when all iterations have ended."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "forEach", "steps"]})

    type: Annotated[Literal["ForEach"], _Canonical, _type_schema(FOR_EACH)] = FOR_EACH
    for_each: JsonValue
    """The list, or an expression that gives it."""
    concurrency_limit: Annotated[int, Field(strict=True, json_schema_extra={"minimum": 1})] = 1
    """How many iterations may be under way at once."""
    on_item_failure: OnItemFailure = "fail"
    """What a failed iteration means: ``fail`` runs the others and then fails the loop, ``continue`` has the loop
    succeed all the same with null in its place, ``stopNew`` begins no further iteration and fails when those under way
    have ended."""
    steps: dict[str, AnyStep] = Field(default_factory=dict)
    """Body of the loop."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            for_each: object,
            steps: Mapping[str, AnyStep],
            concurrency_limit: int = 1,
            on_item_failure: OnItemFailure = "fail",
            run_after: RunAfterInput | None = None,
            when: object = None,
            description: str | None = None,
            type: str = FOR_EACH,
        ) -> None: ...

    def branches(self) -> Mapping[str, Mapping[str, AnyStep]]:
        return {"steps": self.steps}

    @model_serializer
    def _to_wire(self) -> dict[str, Json]:
        wire = self.wire_head(FOR_EACH)
        wire |= {"forEach": self.for_each, "concurrencyLimit": self.concurrency_limit}
        if self.on_item_failure != "fail":
            wire["onItemFailure"] = self.on_item_failure
        return {**wire, **self._wire_branches()}


class Until(Block):
    """Runs ``steps`` again and again, until a condition over their last outputs holds."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "until", "steps"]})

    type: Annotated[Literal["Until"], _Canonical, _type_schema(UNTIL)] = UNTIL
    until: ExpressionText
    """Boolean expression, asked after each iteration; it reads the steps of that iteration by their keys."""
    max_iterations: Annotated[int, Field(strict=True, json_schema_extra={"minimum": 1})] = 60
    """The step fails when the condition does not hold after so many."""
    delay: Pause = 0.0
    """Seconds between the end of an iteration and the start of the next one."""
    steps: dict[str, AnyStep] = Field(default_factory=dict)
    """Body of the loop."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            until: object,
            steps: Mapping[str, AnyStep],
            max_iterations: int = 60,
            delay: float | timedelta = 0.0,
            run_after: RunAfterInput | None = None,
            when: object = None,
            description: str | None = None,
            type: str = UNTIL,
        ) -> None: ...

    def branches(self) -> Mapping[str, Mapping[str, AnyStep]]:
        return {"steps": self.steps}

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        fields = handler(self)
        names = ("until", "maxIterations", "delaySeconds")
        return {**self.wire_head(UNTIL), **{name: fields[name] for name in names}, **self._wire_branches()}


class Scope(Block):
    """Groups steps. When they fail, what they have done is compensated, and then ``catch`` may make good for it;
    ``finally`` runs in any case."""

    model_config = ConfigDict(json_schema_extra={"required": ["type", "steps"]})

    type: Annotated[Literal["Scope"], _Canonical, _type_schema(SCOPE)] = SCOPE
    steps: dict[str, AnyStep] = Field(default_factory=dict)
    """What the scope does."""
    catch: dict[str, AnyStep] = Field(default_factory=dict)
    """Runs when ``steps`` have failed, after the compensations. The scope succeeds if it does."""
    finally_: dict[str, AnyStep] = Field(default_factory=dict)
    """Runs at the end, however that comes, also when the run is cancelled."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            steps: Mapping[str, AnyStep],
            catch: Mapping[str, AnyStep] | None = None,
            finally_: Mapping[str, AnyStep] | None = None,
            run_after: RunAfterInput | None = None,
            when: object = None,
            description: str | None = None,
            type: str = SCOPE,
        ) -> None: ...

    def branches(self) -> Mapping[str, Mapping[str, AnyStep]]:
        others = {"catch": self.catch, "finally": self.finally_}
        return {"steps": self.steps, **{name: steps for name, steps in others.items() if steps}}

    @model_serializer
    def _to_wire(self) -> dict[str, Json]:
        return {**self.wire_head(SCOPE), **self._wire_branches()}


def _settings(fields: Mapping[str, Json]) -> dict[str, Json]:
    names = ("retry", "timeoutSeconds", "leaseSeconds")
    return {name: fields[name] for name in names if fields[name] is not None}


_BLOCKS: Final[Mapping[str, type[Block]]] = {FOR_EACH: ForEach, UNTIL: Until, SCOPE: Scope}


def _parse_step(value: Any) -> Any:
    if isinstance(value, StepBase):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"Expected a step such as {{'type': 'LogMessage'}}, got {value!r}.")
    word = block_type(value.get("type"))
    return (Step if word is None else _BLOCKS[word]).model_validate(value)


AnyStep: TypeAlias = Annotated[Step | ForEach | Until | Scope, BeforeValidator(_parse_step)]
"""One step; a ``type`` of ForEach, Until or Scope, whatever its case, makes it a block."""
