"""A run as the expressions of a step's inputs see it on the worker: with its environment variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from typing import TypeVar

from floworch.core.expressions import Environment, compile_template
from floworch.core.handlers.secrets import mark_of
from floworch.core.machine.environment import Payloads, RunEnvironment, RunView
from floworch.core.model.payload import Json
from floworch.errors import ExpressionError

__all__ = ["AttemptEnvironment", "Variables", "evaluate", "shown"]

T = TypeVar("T")


class Variables:
    """Environment variables of this worker, and which of them were read."""

    __slots__ = ("read",)

    def __init__(self) -> None:
        self.read: dict[str, str] = {}

    def __call__(self, name: str) -> str | None:
        value = os.environ.get(name)
        if value is not None:
            self.read[name] = value
        return value


class AttemptEnvironment(RunEnvironment):
    __slots__ = ("_result", "_variable")

    def __init__(
        self,
        view: RunView,
        step_key: str,
        payloads: Payloads,
        now: datetime,
        variable: Callable[[str], str | None],
    ) -> None:
        super().__init__(view, step_key, payloads, now)
        self._variable = variable
        self._result: Json = None

    def variable(self, name: str) -> str | None:
        return self._variable(name)

    def result(self) -> Json:
        return self._result

    def with_result(self, result: Json) -> AttemptEnvironment:
        """The same, after the handler has returned that."""
        other = copy(self)
        other._result = result
        return other

    def veiled(self) -> AttemptEnvironment:
        """The same, with a mark for the value of every variable that is set."""

        real = self._variable
        other = copy(self)
        other._variable = lambda name: None if real(name) is None else mark_of(name)
        return other


def evaluate(expression: Callable[[Environment], T], environment: AttemptEnvironment, variables: Variables) -> T:
    """The value, for the handler. Raises ExpressionError that tells nothing of the variables' values."""
    try:
        return expression(environment)
    except ExpressionError:
        if variables.read:
            raise _veiled_error(expression, environment, variables.read) from None
        raise


def shown(source: Json, environment: AttemptEnvironment) -> Json:
    """The value as it may be seen: with marks in place of variables. What cannot be evaluated with marks stays as it is
    written in the manifest."""
    veiled = environment.veiled()

    def each(value: Json) -> Json:
        match value:
            case Mapping():
                return {key: each(item) for key, item in value.items()}
            case list() | tuple():
                return [each(item) for item in value]
            case str() if "@" in value:
                return _evaluated(value, veiled)
            case _:
                return value

    return each(source)


def _evaluated(text: str, veiled: AttemptEnvironment) -> Json:
    try:
        return compile_template(text).resolve(veiled)
    except ExpressionError:
        return text


def _veiled_error(
    expression: Callable[[Environment], object], environment: AttemptEnvironment, read: Mapping[str, str]
) -> ExpressionError:
    """The error of the same evaluation with marks; where that works, it is one of the values that is not suitable."""
    try:
        expression(environment.veiled())
    except ExpressionError as error:
        return error
    names = ", ".join(repr(name) for name in sorted(read))
    return ExpressionError(f"an expression cannot be evaluated with the value of the environment variable {names}", "")
