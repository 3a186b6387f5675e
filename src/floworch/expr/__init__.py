"""Expressions as Python objects, for manifests that are written in Python.

    from floworch import expr

    body = expr.trigger_body()
    expr.steps("fetch").output.order_id          # @steps('fetch').output.order_id
    (body.amount > 1000) & ~body.rush            # @triggerBody().amount > 1000 && !triggerBody().rush
    body.name.upper()                            # @upper(triggerBody().name)
    f"Order {body.id}"                           # Order @{triggerBody().id}

An object is the same as the text that ``str()`` gives for it; attribute names are written as they are. ``&``, ``|`` and
``~`` bind tighter than comparisons in Python, so put comparisons in parentheses.
"""

from __future__ import annotations

from floworch.expr.expression import Expr, literal
from floworch.expr.functions import (
    add_seconds,
    and_,
    coalesce,
    concat,
    contains,
    ends_with,
    equals,
    first,
    float_,
    format_date_time,
    if_,
    int_,
    join,
    json,
    last,
    length,
    lower,
    not_,
    or_,
    range_,
    split,
    starts_with,
    string,
    trim,
    upper,
    utc_now,
)
from floworch.expr.sources import (
    StepReference,
    env,
    failure,
    flow,
    index,
    item,
    result,
    run,
    steps,
    trigger,
    trigger_body,
    trigger_headers,
)

__all__ = [
    "Expr",
    "StepReference",
    "add_seconds",
    "and_",
    "coalesce",
    "concat",
    "contains",
    "ends_with",
    "env",
    "equals",
    "failure",
    "first",
    "float_",
    "flow",
    "format_date_time",
    "if_",
    "index",
    "int_",
    "item",
    "join",
    "json",
    "last",
    "length",
    "literal",
    "lower",
    "not_",
    "or_",
    "range_",
    "result",
    "run",
    "split",
    "starts_with",
    "steps",
    "string",
    "trigger",
    "trigger_body",
    "trigger_headers",
    "trim",
    "upper",
    "utc_now",
]
