"""Functions that evaluate only the arguments they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from floworch.core.expressions.operators import require_boolean
from floworch.core.expressions.origin import Fault
from floworch.core.model.payload import Json

__all__ = ["LAZY", "Evaluate", "all_of", "any_of"]

Evaluate: TypeAlias = Callable[[Any], Json]
"""A compiled expression: takes the scope that it is evaluated in."""


def all_of(operands: Sequence[Evaluate], what: str = "the operand of '&&'") -> Evaluate:
    """False at the first operand that is false; those behind it are not evaluated."""

    def evaluate(scope: Any) -> bool:
        return all(_boolean(operand(scope), what, number) for number, operand in enumerate(operands))

    return evaluate


def any_of(operands: Sequence[Evaluate], what: str = "the operand of '||'") -> Evaluate:
    """True at the first operand that is true; those behind it are not evaluated."""

    def evaluate(scope: Any) -> bool:
        return any(_boolean(operand(scope), what, number) for number, operand in enumerate(operands))

    return evaluate


def _boolean(value: Json, what: str, number: int) -> bool:
    if value is True or value is False:
        return bool(value)
    try:
        return require_boolean(value, what)
    except Fault as fault:
        raise Fault(fault.reason, number) from None


def _choice(arguments: Sequence[Evaluate]) -> Evaluate:
    condition, then, otherwise = arguments

    def evaluate(scope: Any) -> Json:
        return then(scope) if _boolean(condition(scope), "the condition of if()", 0) else otherwise(scope)

    return evaluate


def _first_non_null(arguments: Sequence[Evaluate]) -> Evaluate:
    def evaluate(scope: Any) -> Json:
        for argument in arguments:
            value = argument(scope)
            if value is not None:
                return value
        return None

    return evaluate


LAZY: Final[Mapping[str, Callable[[Sequence[Evaluate]], Evaluate]]] = MappingProxyType(
    {
        "if": _choice,
        "and": lambda arguments: all_of(arguments, "an argument of and()"),
        "or": lambda arguments: any_of(arguments, "an argument of or()"),
        "coalesce": _first_non_null,
    }
)
"""Function name → what compiles a call of it from its compiled arguments."""
