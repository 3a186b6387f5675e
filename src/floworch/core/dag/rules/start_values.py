"""What is evaluated once, when a run starts: only what has started it can be read."""

from __future__ import annotations

from collections.abc import Iterator

from floworch.core.dag.rules.scopes import Finding
from floworch.core.expressions import Source, expression_problems, located_references
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json
from floworch.core.model.tags import tag_fault, tag_name_fault, too_many_tags
from floworch.errors import ExpressionError

__all__ = ["start_value", "tags"]

_AT_START = frozenset({Source.TRIGGER_BODY, Source.TRIGGER_HEADERS, Source.TRIGGER, Source.RUN, Source.FLOW})


def tags(manifest: FlowManifest) -> Iterator[Finding]:
    """Names, number and values of the manifest's tags."""
    given = manifest.tags or {}
    if fault := too_many_tags(given):
        yield Finding("tags", "too_many_tags", f"Bad tags: {fault}.")
    for name, value in given.items():
        location = f"tags.{name}"
        if fault := tag_name_fault(name) or _value_fault(name, value):
            yield Finding(location, "bad_tag", f"Bad tag: {fault}.")
        yield from start_value(value, location)


def start_value(value: Json, location: str) -> Iterator[Finding]:
    """Mistakes in the expressions of a value that is settled when a run starts."""
    for place, error in expression_problems(value, location):
        yield Finding(place, "bad_expression", str(error))
    for place, text, reference in located_references(value, location):
        if reference.source not in _AT_START:
            message = "This is evaluated when the run starts, so it can only read what has started the run."
            yield Finding(place, "not_at_start", str(ExpressionError(message, text, reference.position)))


def _value_fault(name: str, value: Json) -> str | None:
    if isinstance(value, dict | list):
        return f"the tag {name!r} is text, a number, true or false, or an expression that gives one of these"
    return tag_fault(name, value) if isinstance(value, str) and "@" not in value else None
