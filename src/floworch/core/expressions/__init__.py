"""Expressions: the small language of ``when`` conditions and input values.

A text is parsed once, when its flow is registered, and compiled to closures; see ``docs/reference/expressions.md``.
"""

from __future__ import annotations

from floworch.core.expressions.condition import Condition, ConditionResult, compile_condition
from floworch.core.expressions.kinds import text_of
from floworch.core.expressions.references import Environment, Reference, Source
from floworch.core.expressions.template import (
    Template,
    compile_template,
    expression_problems,
    located_references,
)

__all__ = [
    "Condition",
    "ConditionResult",
    "Environment",
    "Reference",
    "Source",
    "Template",
    "compile_condition",
    "compile_template",
    "expression_problems",
    "located_references",
    "text_of",
]
