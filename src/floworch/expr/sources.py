"""References to what a run knows."""

from __future__ import annotations

from floworch.core.expressions.references import Source
from floworch.core.expressions.syntax import Read
from floworch.expr.expression import Expr

__all__ = [
    "StepReference",
    "env",
    "failure",
    "flow",
    "index",
    "item",
    "result",
    "run",
    "steps",
    "trigger",
    "trigger_body",
    "trigger_headers",
]


class StepReference:
    """A step of the flow; what can be read of it are its three properties."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"<step {self._key!r}: read its .output, .status or .error>"

    @property
    def output(self) -> Expr:
        """What the step's handler returned; null while it has not."""
        return Expr(Read(Source.STEP_OUTPUT, self._key))

    @property
    def status(self) -> Expr:
        """Status of the step as text; null while it waits."""
        return Expr(Read(Source.STEP_STATUS, self._key))

    @property
    def error(self) -> Expr:
        """Message of the step's failure, null when there is none; ``.message`` and ``.type`` are its parts."""
        return Expr(Read(Source.STEP_ERROR, self._key))


def trigger_body() -> Expr:
    """The payload that the run was triggered with."""
    return Expr(Read(Source.TRIGGER_BODY))


def trigger_headers() -> Expr:
    """The headers that the run was triggered with; ``trigger_headers()["X-Name"]`` is one of them, in any case."""
    return Expr(Read(Source.TRIGGER_HEADERS))


def trigger() -> Expr:
    """What is known about the trigger itself."""
    return Expr(Read(Source.TRIGGER))


def steps(key: str) -> StepReference:
    """The step with that key, in this scope or one around it."""
    return StepReference(key)


def item(loop: str | None = None) -> Expr:
    """The current item of the innermost loop, or of the named one."""
    return Expr(Read(Source.ITEM, loop))


def index(loop: str | None = None) -> Expr:
    """The current index, from 0 on, of the innermost loop, or of the named one."""
    return Expr(Read(Source.INDEX, loop))


def run() -> Expr:
    """The run itself, e.g. ``run().id``."""
    return Expr(Read(Source.RUN))


def flow() -> Expr:
    """The flow, e.g. ``flow().version``."""
    return Expr(Read(Source.FLOW))


def env(name: str) -> Expr:
    """An environment variable of the worker that runs the step. Its value is kept out of the history and of logs."""
    return Expr(Read(Source.ENV, name))


def failure() -> Expr:
    """What has failed the scope around: ``.step``, ``.type`` and ``.message``; null when nothing has.

    Only in ``catch``, ``finally`` and ``compensate``."""
    return Expr(Read(Source.FAILURE))


def result() -> Expr:
    """What a polled handler has just returned; only in ``pollCondition``."""
    return Expr(Read(Source.RESULT))
