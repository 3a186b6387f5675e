"""What handlers get is theirs to change: containers of their own, where others hold the same value."""

from __future__ import annotations

from collections.abc import Mapping

from floworch.core.model.payload import Json

__all__ = ["own_copies", "own_copy"]

_NEVER_CHANGE = frozenset((str, int, float, bool, type(None)))


def own_copies(values: Mapping[str, Json]) -> dict[str, Json]:
    """The same by name. Literals of a manifest serve all of its runs, and decoded payloads all steps of a run."""
    return {name: value if type(value) in _NEVER_CHANGE else own_copy(value) for name, value in values.items()}


def own_copy(value: Json) -> Json:
    """The value, all objects and arrays in it made anew."""
    kind = type(value)  # quicker to compare than to ask for a Mapping, which almost always is one of these two
    if kind is dict:
        return {name: item if type(item) in _NEVER_CHANGE else own_copy(item) for name, item in value.items()}
    if kind is list:
        return [item if type(item) in _NEVER_CHANGE else own_copy(item) for item in value]
    if isinstance(value, Mapping):
        return own_copies(value)
    return [own_copy(item) for item in value] if isinstance(value, tuple) else value
