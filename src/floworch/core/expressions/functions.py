"""The function library: every function by name, with how many arguments it takes.

The functions themselves are grouped by what they work on; those whose arguments may stay unevaluated live in ``lazy``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from floworch.core.expressions import conversions, lists, texts, times
from floworch.core.expressions.operators import equal, require_boolean
from floworch.core.expressions.suggest import did_you_mean
from floworch.core.model.payload import Json

__all__ = ["FUNCTIONS", "Function", "arity_problem", "unknown_function"]

Apply: TypeAlias = Callable[..., Json]


@dataclass(frozen=True, slots=True)
class Function:
    """``apply`` takes the evaluated arguments and is None for lazy functions; ``most`` is None for any number.

    With ``needs_now`` the current time is passed before the arguments.
    """

    usage: str
    least: int
    most: int | None
    apply: Apply | None = None
    needs_now: bool = False

    @property
    def name(self) -> str:
        return self.usage.partition("(")[0]


def arity_problem(function: Function, given: int) -> str | None:
    """What is wrong with that number of arguments, None if nothing is."""
    if given >= function.least and (function.most is None or given <= function.most):
        return None
    return f"{function.name}() takes {_counted(function)}, not {given}: {function.usage}"


def unknown_function(name: str, others: Mapping[str, object]) -> str:
    """The message for a name that is neither a function nor one of ``others``."""
    names = [function.name for function in FUNCTIONS.values()]
    return f"there is no function '{name[:40]}'{did_you_mean(name, [*names, *others.keys()], '{}()')}"


def _counted(function: Function) -> str:
    least, most = function.least, function.most
    if most is None:
        return f"{least} or more arguments"
    if most == 0:
        return "no argument"
    if least == most:
        return "1 argument" if most == 1 else f"{most} arguments"
    return f"{least} to {most} arguments"


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        function.name.lower(): function
        for function in (
            Function("if(condition, then, else)", 3, 3),
            Function("and(condition, ...)", 1, None),
            Function("or(condition, ...)", 1, None),
            Function("coalesce(value, ...)", 1, None),
            Function("not(condition)", 1, 1, lambda value: not require_boolean(value, "the argument of not()")),
            Function("equals(left, right)", 2, 2, lambda left, right: equal(left, right, "equals()")),
            Function("concat(value, ...)", 1, None, texts.concat),
            Function("lower(text)", 1, 1, texts.lower),
            Function("upper(text)", 1, 1, texts.upper),
            Function("trim(text)", 1, 1, texts.trim),
            Function("startsWith(text, prefix)", 2, 2, texts.starts_with),
            Function("endsWith(text, suffix)", 2, 2, texts.ends_with),
            Function("split(text, separator)", 2, 2, texts.split),
            Function("join(array, separator)", 2, 2, lists.join),
            Function("length(value)", 1, 1, lists.length),
            Function("contains(value, part)", 2, 2, lists.contains),
            Function("first(value)", 1, 1, lists.first),
            Function("last(value)", 1, 1, lists.last),
            Function("range(start, count)", 2, 2, lists.count_up),
            Function("int(value)", 1, 1, conversions.to_int),
            Function("float(value)", 1, 1, conversions.to_float),
            Function("string(value)", 1, 1, conversions.to_string),
            Function("json(text)", 1, 1, conversions.from_json),
            Function("utcNow(format?)", 0, 1, times.utc_now, needs_now=True),
            Function("addSeconds(time, seconds)", 2, 2, times.add_seconds),
            Function("formatDateTime(time, format)", 2, 2, times.format_date_time),
        )
    }
)
"""Lower-case name → function."""
