"""A manifest with other inputs for one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from floworch.core.dag.keys import static_path
from floworch.core.dag.rules.known import InputCheck
from floworch.core.dag.rules.literals import as_sentence
from floworch.core.dag.waits.poll import split_poll_inputs
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json
from floworch.errors import FlowProblem, InvalidTransition

__all__ = ["input_faults", "with_inputs"]


def with_inputs(manifest: FlowManifest, step_key: str, inputs: Mapping[str, Json]) -> FlowManifest:
    """A copy in which the step has these inputs beside, or instead of, its own ones. Inside a loop that is so for all
    iterations. ``step_key`` is a run-time key of a step that is not part of a ``catch``, ``finally`` or compensation.

    Raises FlowValidationError for what no manifest can hold, InvalidTransition for a block, which has no inputs.
    """
    data: dict[str, Any] = manifest.to_dict()
    step = _step(data, step_key)
    if "inputs" not in step:
        raise InvalidTransition(f"{step_key!r} is a {step['type']}, which has no inputs to change")
    step["inputs"] = {**step["inputs"], **inputs}
    return FlowManifest.from_json(data)


def input_faults(
    manifest: FlowManifest, flow_name: str, step_key: str, names: Collection[str], check: InputCheck, *, polls: bool
) -> list[FlowProblem]:
    """What ``check`` has against inputs with these names, whatever their values come to. ``polls`` tells that poll
    inputs are not for the handler."""
    inputs = _step(manifest.to_dict(), step_key)["inputs"]
    given = split_poll_inputs(inputs)[1] if polls else inputs
    place = f"steps.{'.steps.'.join(static_path(step_key).split('.'))}.inputs"
    found = [(name, fault) for name, fault in check({}, given) if name in names]
    return [FlowProblem(flow_name, f"{place}.{name}", as_sentence(fault), "bad_input") for name, fault in found]


def _step(data: dict[str, Any], step_key: str) -> dict[str, Any]:
    step = data
    for key in static_path(step_key).split("."):
        step = step["steps"][key]
    return step
