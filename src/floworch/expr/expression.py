"""One expression as a Python object."""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias

from floworch.core.expressions.functions import FUNCTIONS, arity_problem
from floworch.core.expressions.kinds import json_text
from floworch.core.expressions.origin import Fault
from floworch.core.expressions.printer import print_expression
from floworch.core.expressions.suggest import did_you_mean
from floworch.core.expressions.syntax import And, Call, Comparison, Literal, Member, Node, Not, Or, Read, Segment

__all__ = ["Expr", "Operand", "call_function", "literal"]

Operand: TypeAlias = Any
"""Another expression, or a JSON value."""


class Expr:
    """One expression. Attributes and items follow a path in its value.

    A path that ends with the name of a function and is called, as in ``body.name.upper()``, calls that function on what
    is in front of it; snake_case names are found.
    """

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Expr:
        if name == "_node" or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        return Expr(_longer(self._node, name))

    def __getitem__(self, key: Segment) -> Expr:
        if isinstance(key, bool) or (isinstance(key, int) and key < 0):
            raise TypeError(f"a path goes on with a name or an index from 0 on, not {key!r}; see first() and last()")
        return Expr(_longer(self._node, key))

    def __call__(self, *arguments: Operand) -> Expr:
        match self._node:
            case Read(path=(*_, str(name))) | Member(path=(*_, str(name))):
                return call_function(_function_name(name), _shorter(self._node), *arguments)
            case _:
                raise TypeError(f"{self!s} is not a function")

    def __eq__(self, other: Operand) -> Expr:  # type: ignore[override]
        return _compared("==", self, other)

    def __ne__(self, other: Operand) -> Expr:  # type: ignore[override]
        return _compared("!=", self, other)

    def __lt__(self, other: Operand) -> Expr:
        return _compared("<", self, other)

    def __le__(self, other: Operand) -> Expr:
        return _compared("<=", self, other)

    def __gt__(self, other: Operand) -> Expr:
        return _compared(">", self, other)

    def __ge__(self, other: Operand) -> Expr:
        return _compared(">=", self, other)

    def __and__(self, other: Operand) -> Expr:
        return Expr(And((*_joined(self, And), *_joined(other, And))))

    def __rand__(self, other: Operand) -> Expr:
        return literal(other) & self

    def __or__(self, other: Operand) -> Expr:
        return Expr(Or((*_joined(self, Or), *_joined(other, Or))))

    def __ror__(self, other: Operand) -> Expr:
        return literal(other) | self

    def __invert__(self) -> Expr:
        return Expr(Not(self._node))

    __hash__ = object.__hash__
    __iter__ = None
    __contains__ = None

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!s} has no value before the flow runs; combine expressions with & | ~ and not with and, or, not, in"
        )

    def __str__(self) -> str:
        return f"@{print_expression(self._node)}"

    def __repr__(self) -> str:
        return f"<Expr {self}>"

    def __format__(self, format_spec: str) -> str:
        if format_spec:
            raise ValueError(
                f"an expression takes no format specification, got {format_spec!r}; use format_date_time()"
            )
        return f"@{{{print_expression(self._node)}}}"

    def __floworch_expression__(self) -> str:
        """The text that stands for the expression in a manifest."""
        return str(self)


def literal(value: Operand) -> Expr:
    """A JSON value as an expression; expressions stay as they are. Raises ``TypeError`` for anything else."""
    return Expr(_node_of(value))


def call_function(name: str, *arguments: Operand) -> Expr:
    """The call of a function of the library by its documented name. Raises ``TypeError`` when the number is wrong."""
    function = FUNCTIONS[name.lower()]
    if problem := arity_problem(function, len(arguments)):
        raise TypeError(problem)
    return Expr(Call(function.name, tuple(map(_node_of, arguments))))


def _node_of(value: Operand) -> Node:
    if isinstance(value, Expr):
        return value._node
    try:
        text = json_text(value)
    except Fault as fault:
        raise TypeError(f"{value!r:.80} cannot be part of an expression: {fault.reason}") from None
    if isinstance(value, list | tuple | dict):
        return Call("json", (Literal(text),))
    return Literal(value)


def _compared(operator: str, left: Operand, right: Operand) -> Expr:
    return Expr(Comparison(operator, _node_of(left), _node_of(right)))


def _joined(value: Operand, kind: type[And] | type[Or]) -> tuple[Node, ...]:
    node = _node_of(value)
    return node.operands if isinstance(node, And | Or) and isinstance(node, kind) else (node,)


def _longer(node: Node, segment: Segment) -> Node:
    if isinstance(node, Read):
        return Read(node.source, node.name, (*node.path, segment))
    if isinstance(node, Member):
        return Member(node.target, (*node.path, segment))
    return Member(node, (segment,))


def _shorter(node: Read | Member) -> Expr:
    path = node.path[:-1]
    if isinstance(node, Read):
        return Expr(Read(node.source, node.name, path))
    return Expr(Member(node.target, path) if path else node.target)


def _function_name(name: str) -> str:
    folded = name.replace("_", "").lower()
    if folded in FUNCTIONS:
        return folded
    names = [function.name for function in FUNCTIONS.values()]
    raise TypeError(f"there is no function '{name}' to call{did_you_mean(folded, names)}")
