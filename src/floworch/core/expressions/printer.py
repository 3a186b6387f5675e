"""Writes a syntax tree as the text of an expression; the reverse of parsing."""

from __future__ import annotations

import re
from typing import Final

from floworch.core.expressions.kinds import is_number
from floworch.core.expressions.numeric import number_text
from floworch.core.expressions.references import Source
from floworch.core.expressions.strings import quote
from floworch.core.expressions.syntax import And, Call, Comparison, Literal, Member, Node, Not, Or, Read, Segment
from floworch.core.model.payload import Json

__all__ = ["print_expression"]

_SIMPLE_NAME = re.compile(r"(?:[^\W\d]|\$)(?:[\w$]|-(?=[\w$]))*")
_STEP_SOURCES: Final = frozenset({Source.STEP_OUTPUT, Source.STEP_STATUS, Source.STEP_ERROR})


def print_expression(node: Node) -> str:
    """The expression without a leading ``@``, with parentheses only where the grammar needs them."""
    match node:
        case Literal(value=value):
            return _literal(value)
        case Read():
            return _root(node) + _path(node.path)
        case Member(target=target, path=path):
            return _target(target) + _path(path)
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(map(print_expression, arguments))})"
        case Not(operand=operand):
            return "!" + _inside(operand, And, Or)
        case And(operands=operands):
            return " && ".join(_inside(operand, And, Or) for operand in operands)
        case Or(operands=operands):
            return " || ".join(_inside(operand, Or) for operand in operands)
        case Comparison(operator=operator, left=left, right=right):
            return f"{_operand(left)} {operator} {_operand(right)}"


def _inside(node: Node, *looser: type[Node]) -> str:
    text = print_expression(node)
    return f"({text})" if isinstance(node, looser) else text


def _operand(node: Node) -> str:
    return _inside(node, And, Or, Not, Comparison)


def _target(node: Node) -> str:
    text = print_expression(node)
    return text if isinstance(node, Call) else f"({text})"


def _root(node: Read) -> str:
    key = "" if node.name is None else quote(node.name)
    if node.source in _STEP_SOURCES:
        return f"steps({key}).{node.source.value.removeprefix('steps.')}"
    return f"{node.source.value}({key})"


def _path(path: tuple[Segment, ...]) -> str:
    return "".join(map(_segment, path))


def _segment(segment: Segment) -> str:
    if isinstance(segment, int):
        return f"[{segment}]"
    return f".{segment}" if _SIMPLE_NAME.fullmatch(segment) else f"[{quote(segment)}]"


def _literal(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if is_number(value) else quote(str(value))
