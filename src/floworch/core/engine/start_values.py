"""What a manifest says about a run in expressions over its trigger, evaluated once: when the run starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floworch.core.dag.plan import FlowPlan
from floworch.core.expressions import Template, text_of
from floworch.core.machine.environment import RunEnvironment
from floworch.core.machine.state import RunFacts, StepState
from floworch.core.model.limits import LONGEST_CONCURRENCY_KEY
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.tags import tag_fault, too_many_tags
from floworch.errors import InvalidPayload, InvalidTags

__all__ = ["concurrency_key_of", "start_value", "tags_of"]


def start_value(
    template: Template, facts: RunFacts, plan: FlowPlan, body: Payload | None, headers: Payload | None
) -> Json:
    """The template's value for a new run. Raises :class:`~floworch.errors.ExpressionError`."""
    return template.resolve(_environment(facts, plan, body, headers))


def tags_of(
    facts: RunFacts, plan: FlowPlan, body: Payload | None, headers: Payload | None, given: Mapping[str, str]
) -> dict[str, str]:
    """The tags of a new run: those of its manifest, but for what is null, and ``given``, which win.

    Raises :class:`~floworch.errors.ExpressionError`, and :class:`~floworch.errors.InvalidTags` for what cannot be kept.
    """
    env = _environment(facts, plan, body, headers)
    values = {name: template.resolve(env) for name, template in plan.tags.items() if name not in given}
    found = {name: _text(name, value) for name, value in values.items() if value is not None} | dict(given)
    if fault := too_many_tags(found):
        raise InvalidTags(fault)
    return found


def concurrency_key_of(
    template: Template, facts: RunFacts, plan: FlowPlan, body: Payload | None, headers: Payload | None
) -> str | None:
    """The key by which a new run is limited; None when it has none.

    Raises :class:`~floworch.errors.ExpressionError`, and :class:`~floworch.errors.InvalidPayload` for what is no key.
    """
    value = start_value(template, facts, plan, body, headers)
    if value is None:
        return None
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "an array"
        raise InvalidPayload(
            f"the concurrencyKey of flow {plan.flow_name!r} must give text, a number or a boolean; it gives {kind}"
        )
    key = text_of(value)
    if not key or len(key) > LONGEST_CONCURRENCY_KEY or "\0" in key or key != key.encode("utf-8", "replace").decode():
        raise InvalidPayload(
            f"the concurrencyKey of flow {plan.flow_name!r} must give text of 1 to {LONGEST_CONCURRENCY_KEY} whole "
            f"characters without NUL; it gives {key!r:.120}"
        )
    return key


def _text(name: str, value: Json) -> str:
    if isinstance(value, dict | list):
        kind = "an object" if isinstance(value, dict) else "an array"
        raise InvalidTags(f"the tag {name!r} of the manifest must be text, a number or a boolean; it is {kind}")
    text = text_of(value)
    if fault := tag_fault(name, text):
        raise InvalidTags(fault)
    return text


def _environment(facts: RunFacts, plan: FlowPlan, body: Payload | None, headers: Payload | None) -> RunEnvironment:
    payloads = {PayloadRef(PayloadKind.BODY): body, PayloadRef(PayloadKind.HEADERS): headers}
    return RunEnvironment(_NewRun(facts, plan), "", payloads, facts.started_at)


@dataclass(frozen=True, slots=True)
class _NewRun:
    facts: RunFacts
    plan: FlowPlan

    def step(self, key: str) -> StepState | None:
        """None: there are no steps yet."""
        return None
