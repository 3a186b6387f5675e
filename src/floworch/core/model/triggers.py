"""What starts a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from floworch.core.model.payload import Json
from floworch.core.model.spelling import did_you_mean
from floworch.core.model.timed_triggers import AtTrigger, CronTrigger, IntervalTrigger
from floworch.core.model.trigger_base import TriggerBase
from floworch.core.model.wire import JsonValue, mistake

__all__ = ["AnyTrigger", "ManualTrigger", "Trigger", "WebhookTrigger", "read_trigger"]


class ManualTrigger(TriggerBase):
    """Started by a call: the API, the command line or a person."""

    wire_type = "Manual"
    type: Literal["Manual"] = "Manual"


class WebhookTrigger(TriggerBase):
    """Started by an HTTP request from outside."""

    wire_type = "Webhook"
    takes_any_inputs = True
    type: Literal["Webhook"] = "Webhook"
    slug: Annotated[str | None, Field(validation_alias="webhookSlug")] = None
    """Public path segment, unique among all flows whatever the case. Written ``webhookSlug``."""
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    """Further settings by their JSON names."""

    def wire_inputs(self) -> dict[str, Json]:
        slug = {} if self.slug is None else {"webhookSlug": self.slug}
        return {**slug, **self.inputs}


def read_trigger(wire: Mapping[str, Any]) -> TriggerBase:
    """The trigger whose JSON form this is. Raises ``ValueError``, of pydantic or our own."""
    trigger: TriggerBase = _parse_trigger(wire)
    return trigger


_TRIGGERS: tuple[type[TriggerBase], ...] = (ManualTrigger, CronTrigger, IntervalTrigger, AtTrigger, WebhookTrigger)


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
    if not trigger.takes_any_inputs:
        return {**data, **inputs}
    slug = {"webhookSlug": inputs["webhookSlug"]} if "webhookSlug" in inputs else {}
    return {**data, **slug, "inputs": {key: item for key, item in inputs.items() if key != "webhookSlug"}}


Trigger: TypeAlias = ManualTrigger | CronTrigger | IntervalTrigger | AtTrigger | WebhookTrigger

AnyTrigger: TypeAlias = Annotated[Trigger, BeforeValidator(_parse_trigger)]
"""One trigger, told apart by ``type`` whatever its case."""
