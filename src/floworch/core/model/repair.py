"""Reading a manifest with mistakes, so that its graph can be checked beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from floworch.core.model.loading import check_size
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.problems import problems_of
from floworch.errors import FlowProblem, FlowValidationError

__all__ = ["read_leniently"]

_ROUNDS = 3
_STAND_INS = {
    "type": "Unreadable",
    "forEach": [],
    "cronExpression": "* * * * *",
    "everySeconds": 1,
    "at": "2000-01-01T00:00:00Z",
    "maxAttempts": 1,
}


def read_leniently(data: Mapping[str, Any], name: str) -> tuple[FlowManifest | None, list[FlowProblem]]:
    """The manifest as far as it can be read, and every problem of its form.

    What is wrong is left out, or replaced by something harmless where steps refer to it. None when too little is left.
    """
    try:
        check_size(data, name)
        return FlowManifest.model_validate(data), []
    except FlowValidationError as error:
        return None, error.problems
    except ValidationError as error:
        return _readable(data, error), problems_of(error, name)


def _readable(data: Mapping[str, Any], error: ValidationError) -> FlowManifest | None:
    draft = _copied(data)
    for _ in range(_ROUNDS):
        for line in error.errors():
            _mend(draft, line["loc"], line["type"] == "missing")
        try:
            return FlowManifest.model_validate(draft)
        except ValidationError as remaining:
            error = remaining
    return None


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _mend(draft: Any, loc: tuple[int | str, ...], missing: bool) -> None:
    holder: Any = None
    key: Any = None
    node = draft
    for index, part in enumerate(loc):
        inner = _holder_of(node, part)
        if inner is None:
            missing = missing and index == len(loc) - 1
            break
        holder, key = inner
        node = holder[key]
    if missing and isinstance(node, dict):
        node[str(loc[-1])] = _STAND_INS.get(str(loc[-1]))
    elif holder is not None:
        _take_out(holder, key, loc)


def _holder_of(node: Any, part: int | str) -> tuple[Any, Any] | None:
    """Where ``part`` is: in the node itself, in its ``inputs`` (triggers), or under another spelling."""
    if isinstance(node, list):
        return (node, part) if isinstance(part, int) and part < len(node) else None
    if not isinstance(node, dict):
        return None
    if part in node:
        return node, part
    inputs = node.get("inputs")
    if isinstance(inputs, dict) and part in inputs:
        return inputs, part
    return next(((node, key) for key in node if _folded(key) == _folded(part)), None)


def _folded(name: object) -> str:
    return str(name).replace("_", "").casefold()


def _take_out(holder: Any, key: Any, loc: tuple[int | str, ...]) -> None:
    if len(loc) >= 2 and loc[-2] == "steps":
        holder[key] = {"type": _STAND_INS["type"]}
    elif isinstance(holder, dict) and _is_edge(loc) and key not in ("statuses", "when"):
        holder[key] = {}
    elif isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = None


def _is_edge(loc: tuple[int | str, ...]) -> bool:
    return any(part in ("runAfter", "run_after") for part in loc[:-1])
