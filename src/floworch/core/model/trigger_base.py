"""What all triggers share: the form that they have in JSON."""

from __future__ import annotations

from typing import ClassVar

from pydantic import GetJsonSchemaHandler, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from floworch.core.model.payload import Json
from floworch.core.model.wire import WireModel

__all__ = ["TriggerBase"]


class TriggerBase(WireModel):
    """In JSON a trigger is its type and an object ``inputs`` that holds everything else."""

    wire_type: ClassVar[str] = ""
    takes_any_inputs: ClassVar[bool] = False
    """Whether what is in ``inputs`` beside the fields is kept, in a field of that name."""

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
        return _with_inputs_object(wire, takes_any=cls.takes_any_inputs)


def _with_inputs_object(wire: JsonSchemaValue, *, takes_any: bool) -> JsonSchemaValue:
    properties = dict(wire.get("properties", {}))
    outer = {name: properties.pop(name) for name in ("type", "description") if name in properties}
    if takes_any:
        properties.pop("inputs", None)
    required = [name for name in wire.get("required", ()) if name in properties]
    inputs: JsonSchemaValue = {"type": "object", "properties": properties, "additionalProperties": takes_any}
    if required:
        inputs["required"] = required
    wire["properties"] = {**outer, "inputs": inputs}
    wire["required"] = ["type", "inputs"] if required else ["type"]
    return wire
