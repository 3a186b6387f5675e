"""Whether inputs without expressions suit the handler of their step, where that can be told before any step runs."""

from __future__ import annotations

from collections.abc import Iterator

from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.rules.scopes import Finding, Scope
from floworch.core.expressions import compile_template, expression_problems
from floworch.core.model.manifest import Compensation, Step
from floworch.core.model.payload import Json

__all__ = ["as_sentence", "literal_inputs"]


def literal_inputs(scope: Scope, known: KnownTypes) -> Iterator[Finding]:
    """The inputs of every step of the scope, and of its compensation."""
    for key, step in scope.steps.items():
        if isinstance(step, Step):
            yield from _inputs(step, scope.at(key), known)
            if step.compensate is not None:
                yield from _inputs(step.compensate, f"{scope.at(key)}.compensate", known)


def _inputs(step: Step | Compensation, place: str, known: KnownTypes) -> Iterator[Finding]:
    check = known.checks.get(step.type.casefold())
    if check is not None:
        literals = {name: value for name, value in step.inputs.items() if _is_literal(value)}
        for name, fault in check(literals, step.inputs):
            yield Finding(f"{place}.inputs.{name}", "bad_input", as_sentence(fault))


def _is_literal(value: Json) -> bool:
    return not expression_problems(value, "") and compile_template(value).is_literal


def as_sentence(fault: str) -> str:
    """The fault with a full stop, unless it ends with a question."""
    return fault if fault.endswith("?") else f"{fault}."
