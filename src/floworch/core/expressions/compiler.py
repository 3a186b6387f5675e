"""Compiles a syntax tree to nested closures. Nothing is parsed, looked up by name or checked twice at evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from floworch.core.expressions.functions import FUNCTIONS, Apply
from floworch.core.expressions.lazy import LAZY, Evaluate, all_of, any_of
from floworch.core.expressions.operators import COMPARISONS, require_boolean
from floworch.core.expressions.origin import Fault, Origin
from floworch.core.expressions.readers import Path, Reader, follow, reader
from floworch.core.expressions.references import Environment, Source
from floworch.core.expressions.syntax import And, Call, Comparison, Literal, Member, Node, Not, Or, Read
from floworch.core.model.payload import Json

__all__ = ["Compiler", "Evaluate"]

ReadHook: TypeAlias = Callable[[Read, Reader], Evaluate]
NowHook: TypeAlias = Callable[[Any], Any]


def _read_directly(node: Read, read: Reader) -> Evaluate:
    return read


def _now(environment: Environment) -> Any:
    return environment.now


@dataclass(frozen=True, slots=True)
class Compiler:
    """Compiles for one scope type: by default the environment itself is the scope.

    ``on_read`` wraps every reader, and ``now`` gets the time, where a scope holds more than the environment.
    """

    origin: Origin
    on_read: ReadHook = _read_directly
    now: NowHook = _now

    def compile(self, node: Node) -> Evaluate:
        """The function that evaluates the tree; it raises :class:`~floworch.errors.ExpressionError`."""
        match node:
            case Literal(value=value):
                return lambda scope: value
            case Read(source=Source.ENV):
                return self._guarded(self.on_read(node, reader(node)), node.start)
            case Read():
                return self.on_read(node, reader(node))
            case Member(target=target, path=path):
                return _member(self.compile(target), path)
            case Not(operand=operand):
                return self._guarded(_negated(self.compile(operand)), node.start, (operand,))
            case And(operands=operands):
                return self._guarded(all_of([self.compile(each) for each in operands]), node.start, operands)
            case Or(operands=operands):
                return self._guarded(any_of([self.compile(each) for each in operands]), node.start, operands)
            case Comparison():
                return self._comparison(node)
            case Call():
                return self._call(node)

    def _comparison(self, node: Comparison) -> Evaluate:
        compare = COMPARISONS[node.operator]
        left, right = self.compile(node.left), self.compile(node.right)
        return self._guarded(lambda scope: compare(left(scope), right(scope)), node.start)

    def _call(self, node: Call) -> Evaluate:
        arguments = [self.compile(argument) for argument in node.arguments]
        function = FUNCTIONS[node.function.lower()]
        if function.apply is None:
            evaluate = LAZY[function.name](arguments)
        elif function.needs_now:
            evaluate = _applied(function.apply, [self.now, *arguments])
        else:
            evaluate = _applied(function.apply, arguments)
        return self._guarded(evaluate, node.start, node.arguments)

    def _guarded(self, evaluate: Evaluate, start: int, arguments: tuple[Node, ...] = ()) -> Evaluate:
        origin = self.origin

        def guarded(scope: Any) -> Json:
            try:
                return evaluate(scope)
            except Fault as fault:
                position = start if fault.argument is None else arguments[fault.argument].start
                raise origin.error(fault.reason, position) from None

        return guarded


def _applied(apply: Apply, arguments: list[Evaluate]) -> Evaluate:
    if len(arguments) == 1:
        (only,) = arguments
        return lambda scope: apply(only(scope))
    return lambda scope: apply(*[argument(scope) for argument in arguments])


def _negated(operand: Evaluate) -> Evaluate:
    return lambda scope: not require_boolean(operand(scope), "the operand of '!'")


def _member(target: Evaluate, path: Path) -> Evaluate:
    return lambda scope: follow(target(scope), path)
