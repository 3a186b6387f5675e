"""The rules of references: what stands in their parentheses, and which paths may follow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, NamedTuple

from floworch.core.expressions.origin import Origin
from floworch.core.expressions.references import Source
from floworch.core.expressions.suggest import did_you_mean
from floworch.core.expressions.syntax import Read, Segment

__all__ = ["ROOTS", "PathPart", "Root", "RootArgument", "make_read"]


class RootArgument(Enum):
    """Whether the function takes a key in its parentheses."""

    NONE = auto()
    OPTIONAL = auto()
    REQUIRED = auto()


@dataclass(frozen=True, slots=True)
class Root:
    """A function that reads the run. ``source`` is None for ``steps``, where the path decides."""

    name: str
    usage: str
    argument: RootArgument = RootArgument.NONE
    source: Source | None = None


class PathPart(NamedTuple):
    """One segment of a path and where it starts."""

    segment: Segment
    position: int


ROOTS: Final[Mapping[str, Root]] = MappingProxyType(
    {
        root.name.lower(): root
        for root in (
            Root("triggerBody", "triggerBody()", source=Source.TRIGGER_BODY),
            Root("triggerHeaders", "triggerHeaders()['X-Name']", source=Source.TRIGGER_HEADERS),
            Root("trigger", "trigger()", source=Source.TRIGGER),
            Root("steps", "steps('key')", RootArgument.REQUIRED),
            Root("item", "item() or item('loop')", RootArgument.OPTIONAL, Source.ITEM),
            Root("index", "index() or index('loop')", RootArgument.OPTIONAL, Source.INDEX),
            Root("run", "run()", source=Source.RUN),
            Root("flow", "flow()", source=Source.FLOW),
            Root("env", "env('NAME')", RootArgument.REQUIRED, Source.ENV),
            Root("result", "result()", source=Source.RESULT),
            Root("failure", "failure().message", source=Source.FAILURE),
        )
    }
)
"""Lower-case name → what it is."""

_STEP_FIELDS: Final = MappingProxyType(
    {"output": Source.STEP_OUTPUT, "status": Source.STEP_STATUS, "error": Source.STEP_ERROR}
)
_ERROR_PARTS: Final = ("message", "type", "traceback")
_ERROR_USAGE: Final = "an error has no '{}': .error is its message, or .error.message, .error.type, .error.traceback"
_FAILURE_PARTS: Final = ("step", "type", "message")
_FAILURE_USAGE: Final = "a failure has no '{}': it has .step, .type and .message"


def make_read(origin: Origin, root: Root, name: str | None, path: Sequence[PathPart], start: int, end: int) -> Read:
    """The reference, if its path is allowed. Raises :class:`~floworch.errors.ExpressionError`."""
    source = root.source
    if source is None:
        source, path = _step_source(origin, name or "", path, end)
    _check_path(origin, source, path)
    return Read(source, name, tuple(part.segment for part in path), start, end)


def _step_source(origin: Origin, key: str, path: Sequence[PathPart], end: int) -> tuple[Source, Sequence[PathPart]]:
    expected = f"steps('{key}') is followed by .output, .status or .error"
    if not path:
        raise origin.error(expected, end)
    field, position = path[0]
    source = _STEP_FIELDS.get(str(field))
    if source is None or isinstance(field, int):
        hint = did_you_mean(str(field), _STEP_FIELDS, ".{}")
        raise origin.error(f"a step has no '{field}': {expected}{hint}", position)
    return source, path[1:]


def _check_path(origin: Origin, source: Source, path: Sequence[PathPart]) -> None:
    match source:
        case Source.STEP_STATUS:
            _forbid(origin, path, "a status is text; nothing may follow it")
        case Source.INDEX:
            _forbid(origin, path, "an index is a number; nothing may follow it")
        case Source.ENV:
            _forbid(origin, path, "an environment variable is text; nothing may follow it")
        case Source.TRIGGER_HEADERS:
            _check_header(origin, path)
        case Source.STEP_ERROR:
            _check_part(origin, path, _ERROR_PARTS, _ERROR_USAGE)
        case Source.FAILURE:
            _check_part(origin, path, _FAILURE_PARTS, _FAILURE_USAGE)
        case _:
            return


def _forbid(origin: Origin, path: Sequence[PathPart], message: str) -> None:
    if path:
        raise origin.error(message, path[0].position)


def _check_header(origin: Origin, path: Sequence[PathPart]) -> None:
    if path and isinstance(path[0].segment, int):
        raise origin.error("headers are read by name, e.g. triggerHeaders()['X-Name']", path[0].position)
    _forbid(origin, path[1:], "a header is text; nothing may follow it")


def _check_part(origin: Origin, path: Sequence[PathPart], parts: Sequence[str], usage: str) -> None:
    if path and path[0].segment not in parts:
        part = str(path[0].segment)
        raise origin.error(usage.format(part) + did_you_mean(part, parts, ".{}"), path[0].position)
    _forbid(origin, path[1:], "this is text; nothing may follow it")
