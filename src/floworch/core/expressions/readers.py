"""Turns references into functions that read the environment. What is missing is null, never an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from floworch.core.expressions.origin import Fault
from floworch.core.expressions.references import Environment, Source
from floworch.core.expressions.syntax import Read, Segment
from floworch.core.model.payload import Json

__all__ = ["Reader", "follow", "reader"]

Reader: TypeAlias = Callable[[Environment], Json]
Path: TypeAlias = tuple[Segment, ...]


def reader(node: Read) -> Reader:
    """The function that answers the reference."""
    match node.source:
        case Source.STEP_OUTPUT | Source.STEP_STATUS | Source.STEP_ERROR:
            return _step_reader(node.source, node.name or "", node.path)
        case Source.ITEM:
            return _with_path(lambda env: env.item(node.name), node.path)
        case Source.INDEX:
            return lambda env: env.index(node.name)
        case Source.TRIGGER_HEADERS:
            return _header_reader(node.path)
        case Source.ENV:
            return _variable_reader(node.name or "")
        case _:
            return _with_path(_root(node.source), node.path)


def follow(value: Json, path: Path) -> Json:
    """The part of ``value`` that the path leads to. Names match exactly; indexes count from 0."""
    for segment in path:
        is_member = type(value) is dict and type(segment) is str
        value = value.get(segment) if is_member else _step_into(value, segment)
        if value is None:
            return None
    return value


def _step_into(value: Json, segment: Segment) -> Json:
    if isinstance(segment, int):
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        return value[segment] if is_list and segment < len(value) else None
    return value.get(segment) if isinstance(value, Mapping) else None


def _with_path(root: Reader, path: Path) -> Reader:
    if not path:
        return root
    return lambda env: follow(root(env), path)


def _root(source: Source) -> Reader:
    match source:
        case Source.TRIGGER_BODY:
            return lambda env: env.trigger_body()
        case Source.TRIGGER:
            return lambda env: env.trigger()
        case Source.RUN:
            return lambda env: env.run()
        case Source.RESULT:
            return lambda env: env.result()
        case Source.FAILURE:
            return lambda env: env.failure()
        case _:
            return lambda env: env.flow()


def _step_reader(source: Source, key: str, path: Path) -> Reader:
    match source:
        case Source.STEP_OUTPUT:
            return _with_path(lambda env: env.step_output(key), path)
        case Source.STEP_STATUS:
            return lambda env: _plain_text(env.step_status(key))
        case _:
            return _with_path(lambda env: env.step_error(key), path or ("message",))


def _variable_reader(name: str) -> Reader:
    def read(env: Environment) -> Json:
        value = env.variable(name)
        if value is None:
            raise Fault(f"the environment variable {name!r} is not set where the step runs")
        return value

    return read


def _plain_text(status: str | None) -> str | None:
    return None if status is None else str(status)


def _header_reader(path: Path) -> Reader:
    if not path:
        return lambda env: dict(env.trigger_headers())
    name = str(path[0])
    folded = name.lower()
    return lambda env: _header(env.trigger_headers(), name, folded)


def _header(headers: Mapping[str, str], name: str, folded: str) -> str | None:
    if name in headers:
        return headers[name]
    return next((value for key, value in headers.items() if key.lower() == folded), None)
