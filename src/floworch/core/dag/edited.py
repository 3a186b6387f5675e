"""A manifest with other inputs for one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from floworch.core.dag.keys import static_path
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json
from floworch.errors import InvalidTransition

__all__ = ["with_inputs"]


def with_inputs(manifest: FlowManifest, step_key: str, inputs: Mapping[str, Json]) -> FlowManifest:
    """A copy in which the step has these inputs beside, or instead of, its own ones. Inside a loop that is so for all
    iterations. ``step_key`` is a run-time key of a step that is not part of a ``catch``, ``finally`` or compensation.

    Raises FlowValidationError for what no manifest can hold, InvalidTransition for a block, which has no inputs.
    """
    data: dict[str, Any] = manifest.to_dict()
    step: dict[str, Any] = data
    for key in static_path(step_key).split("."):
        step = step["steps"][key]
    if "inputs" not in step:
        raise InvalidTransition(f"{step_key!r} is a {step['type']}, which has no inputs to change")
    step["inputs"] = {**step["inputs"], **inputs}
    return FlowManifest.from_json(data)
