"""What starts a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from floworch.core.model.payload import Json
from floworch.core.model.spelling import did_you_mean
from floworch.core.model.wire import JsonValue, WireModel, mistake

__all__ = ["AnyTrigger", "CronTrigger", "ManualTrigger", "TriggerBase", "WebhookTrigger"]


class TriggerBase(WireModel):
    """In JSON a trigger is its type and an object ``inputs`` that holds everything else."""

    wire_type: ClassVar[str] = ""

    description: str | None = None
    """For people."""

    def wire_inputs(self) -> dict[str, Json]:
        """The trigger's ``inputs`` object; fields at their default are left out."""
        return {}

    @model_serializer
    def _to_wire(self) -> dict[str, Json]:
        about = {"description": self.description} if self.description else {}
        return {"type": self.wire_type, **about, "inputs": self.wire_inputs()}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        wire = handler.resolve_ref_schema(handler(schema))
        return _with_inputs_object(wire)


class ManualTrigger(TriggerBase):
    """Started by a call: the API, the command line or a person."""

    wire_type = "Manual"
    type: Literal["Manual"] = "Manual"


class CronTrigger(TriggerBase):
    """Started by the clock."""

    wire_type = "Cron"
    type: Literal["Cron"] = "Cron"
    cron_expression: str
    """Five fields (minute, hour, day of month, month, day of week), or six with seconds at the end."""
    time_zone: str = "UTC"
    """IANA name of the zone in which the expression is read."""

    def wire_inputs(self) -> dict[str, Json]:
        zone = {} if self.time_zone == "UTC" else {"timeZone": self.time_zone}
        return {"cronExpression": self.cron_expression, **zone}


class WebhookTrigger(TriggerBase):
    """Started by an HTTP request from outside."""

    wire_type = "Webhook"
    type: Literal["Webhook"] = "Webhook"
    slug: Annotated[str | None, Field(validation_alias="webhookSlug")] = None
    """Public path segment, unique among all flows whatever the case. Written ``webhookSlug``."""
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    """Further settings by their JSON names."""

    def wire_inputs(self) -> dict[str, Json]:
        slug = {} if self.slug is None else {"webhookSlug": self.slug}
        return {**slug, **self.inputs}


_TRIGGERS: tuple[type[TriggerBase], ...] = (ManualTrigger, CronTrigger, WebhookTrigger)


def _parse_trigger(value: Any) -> Any:
    if isinstance(value, TriggerBase):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"Expected a trigger such as {{'type': 'Manual'}}, got {value!r}.")
    data = dict(value)
    trigger = _trigger_class(data.get("type"))
    inputs = data.pop("inputs", None) or {}
    if not isinstance(inputs, Mapping):
        raise ValueError(f"'inputs' of a trigger must be an object, got {inputs!r}.")
    return trigger.model_validate(_flat(trigger, data, inputs))


def _trigger_class(word: Any) -> type[TriggerBase]:
    for trigger in _TRIGGERS:
        if isinstance(word, str) and word.casefold() == trigger.wire_type.casefold():
            return trigger
    names = [trigger.wire_type for trigger in _TRIGGERS]
    hint = did_you_mean(str(word), names) or f" Use one of {', '.join(names)}."
    asked = "The trigger has no type." if word is None else f"Unknown trigger type {word!r}."
    raise mistake("unknown_trigger_type", asked + hint)


def _flat(trigger: type[TriggerBase], data: dict[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    data["type"] = trigger.wire_type
    if trigger is not WebhookTrigger:
        return {**data, **inputs}
    slug = {"webhookSlug": inputs["webhookSlug"]} if "webhookSlug" in inputs else {}
    return {**data, **slug, "inputs": {key: item for key, item in inputs.items() if key != "webhookSlug"}}


def _with_inputs_object(wire: JsonSchemaValue) -> JsonSchemaValue:
    properties = dict(wire.get("properties", {}))
    outer = {name: properties.pop(name) for name in ("type", "description") if name in properties}
    free = properties.pop("inputs", None) is not None
    required = [name for name in wire.get("required", ()) if name in properties]
    inputs: JsonSchemaValue = {"type": "object", "properties": properties, "additionalProperties": free}
    if required:
        inputs["required"] = required
    wire["properties"] = {**outer, "inputs": inputs}
    wire["required"] = ["type", "inputs"] if required else ["type"]
    return wire


AnyTrigger: TypeAlias = Annotated[ManualTrigger | CronTrigger | WebhookTrigger, BeforeValidator(_parse_trigger)]
"""One trigger, told apart by ``type`` whatever its case."""
