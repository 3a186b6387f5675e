"""The decorators of handlers. They only leave a note on what they decorate; registries read the note."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypeVar, get_args

from floworch.core.model.limits import Limit
from floworch.core.policy.retry import RetryPolicy
from floworch.errors import ConfigurationError

__all__ = ["ExecutorChoice", "ExecutorKind", "HandlerSpec", "marked", "polling_handler", "specs_of", "step_handler"]

ExecutorChoice: TypeAlias = Literal["auto", "loop", "thread", "process"]
_Target = TypeVar("_Target", bound=Callable[..., object])
_NOTE = "__floworch_handler__"


class ExecutorKind(StrEnum):
    """Where a handler runs: on the event loop, on a thread of its own pool, or in another process."""

    LOOP = "loop"
    THREAD = "thread"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """What the author said about a handler. ``executor`` is decided at registration when it is ``auto``."""

    type: str
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    executor: ExecutorChoice = "auto"
    description: str | None = None
    polls: bool = False
    """Whether what it gives back is compared with the poll inputs of its step."""
    limit: Limit | None = None
    """How many attempts of it may run at once in all processes, and how often they may start."""
    extra: tuple[str, str] | None = None
    """A module that it cannot do without, and the extra of floworch that installs it."""
    checks_literals: bool = False
    """Whether inputs without expressions are checked when a flow is registered, and not only when the step runs."""


def polling_handler(
    type: str,
    *,
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    executor: ExecutorChoice = "auto",
    description: str | None = None,
    limit: Limit | None = None,
) -> Callable[[_Target], _Target]:
    """Mark the handler of a step type that is called again and again, until what it returns is what its step waits for.

    The step says what that is, with the inputs ``pollConditionPath`` and ``pollConditionEquals`` or ``pollCondition``,
    and how often and for how long to ask. Those inputs are the engine's; the handler gets the others. Between two polls
    the step waits without a worker. Everything else is as for :func:`step_handler`; ``timeout`` counts per poll.
    """
    options: dict[str, Any] = {"retry": retry, "timeout": timeout, "executor": executor, "description": description}
    return marked(replace(_spec("polling_handler", type, **options), polls=True, limit=limit))


def step_handler(
    type: str,
    *,
    retry: RetryPolicy | None = None,
    timeout: float | timedelta | None = None,
    executor: ExecutorChoice = "auto",
    description: str | None = None,
    limit: Limit | None = None,
) -> Callable[[_Target], _Target]:
    """Mark a function, or a class whose instances are called, as the handler of a step type.

    ``timeout`` is in seconds and counts per attempt. ``auto`` runs async handlers on the event loop and sync ones on
    a thread; ``loop`` is for sync functions that never block, ``process`` for sync functions that keep a processor
    busy. ``limit`` holds in all processes together. May be applied several times, for several types. Raises
    :class:`~floworch.errors.ConfigurationError`.
    """
    return marked(replace(_spec("step_handler", type, retry, timeout, executor, description), limit=limit))


def _spec(
    word: str,
    type: str,
    retry: RetryPolicy | None,
    timeout: float | timedelta | None,
    executor: ExecutorChoice,
    description: str | None,
) -> HandlerSpec:
    if executor not in get_args(ExecutorChoice):
        choices = ", ".join(map(repr, get_args(ExecutorChoice)))
        raise ConfigurationError(f"{word}({type!r}): executor is {executor!r}; it must be one of {choices}.")
    seconds = _timeout_seconds(word, type, timeout)
    return HandlerSpec(_checked_type(word, type), retry, seconds, executor, description)


def marked(spec: HandlerSpec) -> Callable[[_Target], _Target]:
    """Leave the note; what the decorators do in the end."""

    def mark(target: _Target) -> _Target:
        setattr(target, _NOTE, (*vars(target).get(_NOTE, ()), spec))
        return target

    return mark


def specs_of(target: object) -> tuple[HandlerSpec, ...]:
    """What was left on the target by :func:`step_handler`; an instance has what its class has."""
    found: object = getattr(target, _NOTE, ())
    return found if isinstance(found, tuple) else ()


def _checked_type(word: str, type_name: object) -> str:
    if not isinstance(type_name, str) or not type_name.strip():
        raise ConfigurationError(
            f'{word} was given {type_name!r} as the step type; write @{word}("TypeName"), with parentheses.'
        )
    return type_name.strip()


def _timeout_seconds(word: str, type_name: str, timeout: float | timedelta | None) -> float | None:
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
        raise ConfigurationError(f"{word}({type_name!r}): timeout is {timeout!r}; it must be more than 0 seconds.")
    return seconds
