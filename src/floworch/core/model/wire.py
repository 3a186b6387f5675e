"""What all manifest models share: camelCase on the wire, errors that name misspelt fields, plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from floworch.core.model.payload import Json, Payload
from floworch.core.model.spelling import did_you_mean
from floworch.errors import InvalidPayload

__all__ = ["JsonValue", "Pause", "Seconds", "WireModel", "expression_text", "mistake", "wire_name"]

_MAX_DEPTH = 40
"""Below the limit of stored JSON by what a manifest's own levels need."""
_WIRE_NAMES = {
    "timeout": "timeoutSeconds",
    "initial": "initialSeconds",
    "max": "maxSeconds",
    "delay": "delaySeconds",
    "every": "everySeconds",
    "finally_": "finally",
}


class WireModel(BaseModel):
    """Base of the manifest models: frozen, snake_case in Python, camelCase in JSON, both accepted."""

    model_config = ConfigDict(
        defer_build=True,  # the validators are half of what importing floworch costs; make them when a flow is defined
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: wire_name(name),
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        twice = _given_twice(cls, data)
        try:
            model = handler(data)
        except ValidationError as error:
            raise _explained(error, cls, twice) from None
        if twice:
            raise ValidationError.from_exception_data(cls.__name__, twice)
        return model


def wire_name(name: str) -> str:
    """JSON name of a Python field: camelCase, and with the unit where the Python name leaves it out."""
    return _WIRE_NAMES.get(name) or to_camel(name)


def expression_text(value: Any) -> Any:
    """The expression string of a typed reference (``expr.steps(...)``); anything else as it is."""
    render = getattr(type(value), "__floworch_expression__", None)
    return render(value) if render is not None else value


def mistake(code: str, message: str) -> PydanticCustomError:
    """A validation error whose message is taken as it is, so braces in it need no escaping."""
    return PydanticCustomError(code, message)  # pyright: ignore[reportArgumentType] - asks for literals


def _given_twice(cls: type[BaseModel], data: Any) -> list[InitErrorDetails]:
    if not isinstance(data, Mapping):
        return []
    return [
        _problem(
            "given_twice", f"The field is given twice, as '{name}' and as '{wire_name(name)}'.", (name,), data[name]
        )
        for name in cls.model_fields
        if name != wire_name(name) and name in data and wire_name(name) in data
    ]


def _explained(error: ValidationError, cls: type[BaseModel], more: list[InitErrorDetails]) -> ValidationError:
    fields = [wire_name(name) for name in cls.model_fields]
    known = {detail.get("loc") for detail in more}
    details = [_explain_one(line, fields) for line in error.errors() if line["loc"] not in known]
    return ValidationError.from_exception_data(error.title, [*details, *more])


def _explain_one(line: Any, fields: list[str]) -> InitErrorDetails:
    message = line["msg"].removeprefix("Value error, ")
    if line["type"] == "extra_forbidden" and len(line["loc"]) == 1:
        message = _unknown_field(str(line["loc"][0]), fields)
        return _problem("unknown_field", message, line["loc"], line["input"])
    return _problem(line["type"], message, line["loc"], line["input"])


def _unknown_field(name: str, fields: list[str]) -> str:
    suggestion = did_you_mean(to_camel(name) if "_" in name else name, fields)
    return f"Unknown field '{name}'.{suggestion or ' Known fields: ' + ', '.join(fields) + '.'}"


def _problem(code: str, message: str, loc: tuple[int | str, ...], value: Any) -> InitErrorDetails:
    return InitErrorDetails(type=mistake(code, message), loc=loc, input=value)


def _plain_json(value: Any) -> Json:
    try:
        return Payload.of(_without_objects(value, _MAX_DEPTH)).value
    except InvalidPayload as error:
        raise ValueError(str(error)) from error


def _without_objects(value: Any, depth: int) -> Any:
    if depth < 0:
        raise ValueError(f"The value is nested deeper than {_MAX_DEPTH} levels, or contains itself.")
    value = expression_text(value)
    if isinstance(value, Mapping):
        return {key: _without_objects(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_objects(item, depth - 1) for item in value]
    return value


def _to_seconds(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"Expected a number of seconds, got {value!r}.")
    return value.total_seconds() if isinstance(value, timedelta) else value


def _shortest_number(seconds: float) -> int | float:
    return int(seconds) if seconds.is_integer() else seconds


JsonValue = Annotated[Json, BeforeValidator(_plain_json)]
"""A JSON value in which typed references have become their expression strings."""

Seconds = Annotated[
    float,
    BeforeValidator(_to_seconds),
    PlainSerializer(_shortest_number, return_type=int | float, when_used="always"),
    Field(allow_inf_nan=False, json_schema_extra={"exclusiveMinimum": 0}),
]
"""A duration; a ``timedelta`` is accepted as well."""

Pause = Annotated[
    float,
    BeforeValidator(_to_seconds),
    PlainSerializer(_shortest_number, return_type=int | float, when_used="always"),
    Field(allow_inf_nan=False, json_schema_extra={"minimum": 0}),
]
"""A duration that may be nothing."""
