"""What a guard comes to, decided without the expression language: an independent reading of its rules."""

from __future__ import annotations

from typing import Protocol

from floworch.core.model.payload import Json
from tests.simulation.specs import AllOf, AnyOf, Compare, Constant, Guard, Negation, Read

__all__ = ["ExpressionFails", "Facts", "as_list", "holds", "read"]


class ExpressionFails(Exception):
    """Evaluation of the expression is an error."""


class Facts(Protocol):
    """The run as it looks from one scope."""

    def body(self) -> Json: ...
    def step(self, key: str) -> tuple[str | None, Json, str | None]:
        """Status, output and type of error."""
        ...

    def iteration(self, loop: str | None, *, of_items: bool) -> tuple[Json, int]:
        """Item and index; ``of_items`` passes over loops that have none."""
        ...


def holds(guard: Guard, facts: Facts) -> bool:
    """Value of a guard; no truthiness, left to right, short circuit. Raises :class:`ExpressionFails`."""
    match guard:
        case Constant(value):
            return value
        case Compare(left, op, right):
            return _compare(read(left, facts), op, right)
        case Negation(inner):
            return not holds(inner, facts)
        case AllOf(left, right):
            return holds(left, facts) and holds(right, facts)
        case AnyOf(left, right):
            return holds(left, facts) or holds(right, facts)
        case Read():
            value = read(guard, facts)
            if not isinstance(value, bool):
                raise ExpressionFails(f"{value!r} is not a boolean")
            return value


def read(what: Read, facts: Facts) -> Json:
    return _follow(_root(what, facts), what.trail)


def as_list(value: Json) -> list[Json] | None:
    """Items of a loop's source: null has none; None means that the value is not a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else None


def _root(what: Read, facts: Facts) -> Json:
    match what.what:
        case "body":
            return facts.body()
        case "item":
            return facts.iteration(what.name, of_items=True)[0]
        case "index":
            return facts.iteration(what.name, of_items=False)[1]
        case "status":
            return facts.step(what.name or "")[0]
        case "output":
            return facts.step(what.name or "")[1]
        case "error_type":
            return facts.step(what.name or "")[2]


def _follow(value: Json, trail: tuple[str | int, ...]) -> Json:
    for part in trail:
        if isinstance(part, str):
            value = value.get(part) if isinstance(value, dict) else None
        else:
            value = value[part] if isinstance(value, list) and 0 <= part < len(value) else None
    return value


def _compare(left: Json, op: str, right: Json) -> bool:
    if left is None or right is None:
        if op not in ("==", "!="):
            raise ExpressionFails("null has no order")
        return (left is right) == (op == "==")
    if _kind(left) != _kind(right):
        raise ExpressionFails(f"{left!r} {op} {right!r} mixes types")
    if op in ("==", "!="):
        return bool(left == right) == (op == "==")
    if _kind(left) not in ("number", "string"):
        raise ExpressionFails(f"{left!r} has no order")
    return bool(left < right) if op == "<" else bool(left >= right)


def _kind(value: Json) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "number"
        case str():
            return "string"
        case _:
            return "container"
