"""The syntax tree of an expression. Positions say where a node was written and do not count for equality."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from floworch.core.expressions.references import Reference, Source
from floworch.core.model.payload import Json

__all__ = [
    "And",
    "Call",
    "Comparison",
    "Literal",
    "Member",
    "Node",
    "Not",
    "Or",
    "Read",
    "Segment",
    "references_of",
]

Segment: TypeAlias = str | int
"""One part of a path: the name of a property or the index of a list item."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, boolean or null."""

    value: Json
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Read:
    """A reference with the path that is followed from it. ``end`` is the offset behind its last character."""

    source: Source
    name: str | None = None
    path: tuple[Segment, ...] = ()
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """A path followed from a computed value, such as ``first(...).name``."""

    target: Node
    path: tuple[Segment, ...]
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the library by its documented name."""

    function: str
    arguments: tuple[Node, ...]
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """Two or more operands. A chain is one node, so that its length costs no depth."""

    operands: tuple[Node, ...]
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more operands; see :class:`And`."""

    operands: tuple[Node, ...]
    start: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``start`` is the position of the operator."""

    operator: str
    left: Node
    right: Node
    start: int = field(default=0, compare=False)


Node: TypeAlias = Literal | Read | Member | Call | Not | And | Or | Comparison


def references_of(node: Node) -> frozenset[Reference]:
    """Everything that the expression may read, whichever branches are taken."""
    found: set[Reference] = set()
    open_nodes: list[Node] = [node]
    while open_nodes:
        current = open_nodes.pop()
        if isinstance(current, Read):
            found.add(Reference(current.source, current.name, current.start))
        open_nodes.extend(_children(current))
    return frozenset(found)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Member(target=target):
            return (target,)
        case Call(arguments=nodes) | And(operands=nodes) | Or(operands=nodes):
            return nodes
        case Not(operand=operand):
            return (operand,)
        case Comparison(left=left, right=right):
            return (left, right)
        case _:
            return ()
