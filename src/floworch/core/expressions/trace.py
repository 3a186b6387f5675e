"""Shows how a condition was decided: which references were read, and what they gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from floworch.core.expressions.kinds import preview
from floworch.core.expressions.lazy import Evaluate
from floworch.core.expressions.readers import Reader
from floworch.core.expressions.references import Environment
from floworch.core.expressions.syntax import Read
from floworch.core.model.payload import Json

__all__ = ["Observation", "now_of", "observed", "trace_of"]

_MAX_VALUE_CHARS: Final = 1_000
"""A trace is stored with the step: a reference to a large payload must not copy it there."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The scope of one evaluation: the environment, and by place in the source what was read from it."""

    environment: Environment
    values: dict[tuple[int, int], Json] = field(default_factory=dict)


def observed(node: Read, read: Reader) -> Evaluate:
    """A reader that takes an :class:`Observation` and notes down what it gives."""
    place = (node.start, node.end)

    def evaluate(seen: Observation) -> Json:
        value = seen.values[place] = read(seen.environment)
        return value

    return evaluate


def now_of(seen: Observation) -> datetime:
    """The current time of the observed environment."""
    return seen.environment.now


def trace_of(source: str, seen: Observation, result: bool) -> dict[str, Json]:
    """The trace as JSON. References that were never reached keep their text in ``resolved`` and are not listed."""
    places = sorted(seen.values)
    return {
        "expression": source,
        "resolved": _resolved(source, places, seen),
        "result": result,
        "references": _listed(source, places, seen),
    }


def _resolved(source: str, places: list[tuple[int, int]], seen: Observation) -> str:
    chunks: list[str] = []
    position = 0
    for start, end in places:
        chunks += [source[position:start], preview(seen.values[start, end], _MAX_VALUE_CHARS)]
        position = end
    return "".join([*chunks, source[position:]])


def _listed(source: str, places: list[tuple[int, int]], seen: Observation) -> list[dict[str, Json]]:
    by_text = {source[start:end]: seen.values[start, end] for start, end in places}
    return [{"reference": text, "value": _bounded(value)} for text, value in by_text.items()]


def _bounded(value: Json) -> Json:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else preview(value, _MAX_VALUE_CHARS)
    return value if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"
