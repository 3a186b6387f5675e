"""Compiled ``when`` conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from floworch.core.expressions.compiler import Compiler, Evaluate
from floworch.core.expressions.operators import require_boolean
from floworch.core.expressions.origin import Fault, Origin
from floworch.core.expressions.parser import parse
from floworch.core.expressions.references import Environment, Reference
from floworch.core.expressions.syntax import Literal, Node, references_of
from floworch.core.expressions.trace import Observation, now_of, observed, trace_of
from floworch.core.model.payload import Json
from floworch.errors import ExpressionError

__all__ = ["Condition", "ConditionResult", "compile_condition"]


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """How a condition was decided.

    ``trace`` is JSON: ``expression``, ``resolved`` (the source with the values that were read in place of the
    references), ``result``, and ``references``, a list of ``{"reference", "value"}`` in source order.
    """

    result: bool
    trace: Mapping[str, Json]


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A compiled ``when``. ``references`` is everything that it may read, whichever branches are taken."""

    source: str
    references: frozenset[Reference]
    decide: Evaluate

    def evaluate(self, env: Environment) -> ConditionResult:
        """Whether the condition holds for one run.

        Raises :class:`~floworch.errors.ExpressionError`; its ``trace`` shows what was read up to the mistake, has the
        result false and says why under ``error``.
        """
        seen = Observation(env)
        try:
            result = self.decide(seen)
        except ExpressionError as error:
            error.trace = {**trace_of(self.source, seen, False), "error": error.reason}
            raise
        return ConditionResult(result, trace_of(self.source, seen, result))


def compile_condition(source: str, location: str = "") -> Condition:
    """Compile a condition; the leading ``@`` may be left out. A blank one always holds.

    ``location`` is its path in the manifest, for error messages. Raises :class:`~floworch.errors.ExpressionError`.
    """
    origin = Origin(source, location)
    node = parse(origin) if source.strip() else Literal(True)
    decide = Compiler(origin, observed, now_of).compile(node)
    return Condition(source, references_of(node), _boolean(origin, node, decide))


def _boolean(origin: Origin, node: Node, decide: Evaluate) -> Evaluate:
    def evaluate(seen: Observation) -> bool:
        value = decide(seen)
        try:
            return require_boolean(value, "the condition")
        except Fault as fault:
            raise origin.error(fault.reason, node.start) from None

    return evaluate
