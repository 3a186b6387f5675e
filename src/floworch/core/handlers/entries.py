"""What authors hand over as handlers, read and checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from floworch.core.dag.waits.poll import setting_name
from floworch.core.handlers.construction import construct
from floworch.core.handlers.lookup import Handler
from floworch.core.handlers.parameters import Parameters, read_parameters
from floworch.core.handlers.services import ServiceResolver
from floworch.core.handlers.spec import ExecutorKind, HandlerSpec, specs_of
from floworch.errors import ConfigurationError

__all__ = ["Entry", "entry_of", "spec_for", "specs_on"]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What an author has handed over for one step type. ``handler.call`` of a class is its plain ``__call__`` until it
    is connected."""

    spec: HandlerSpec
    target: Any
    handler: Handler

    @property
    def origin(self) -> str:
        """Where it was written, for messages."""
        return self.handler.origin

    def connected(self, services: ServiceResolver, instances: dict[type, Any]) -> Handler:
        """The handler, ready to be called; ``instances`` are the classes that have been constructed, and grow."""
        if not isinstance(self.target, type):
            return self.handler
        if self.target not in instances:
            instances[self.target] = construct(self.target, services)
        made = instances[self.target]
        return replace(self.handler, call=made, close=getattr(made, "aclose", None))


def entry_of(spec: HandlerSpec, target: Any) -> Entry:
    """Raises :class:`~floworch.errors.ConfigurationError` for what cannot do the work of a step."""
    origin = _origin(target)
    where = f"Handler {origin} of step type {spec.type!r}"
    function = _function_of(target, where)
    is_async = _is_async(function)
    handler = Handler(
        type=spec.type,
        call=function,
        is_async=is_async,
        executor=_executor(spec, is_async, target, where),
        parameters=read_parameters(function, where, is_method=isinstance(target, type)),
        origin=origin,
        retry=spec.retry,
        timeout_seconds=spec.timeout_seconds,
        description=spec.description or _first_line(target),
        polls=spec.polls,
        limit=spec.limit,
    )
    if spec.polls:
        _check_names(handler.parameters, where)
    return Entry(spec, target, handler)


def specs_on(thing: Any) -> tuple[HandlerSpec, ...]:
    """What decorators say of the thing. Raises :class:`~floworch.errors.ConfigurationError` when none does."""
    found = specs_of(thing)
    if not found:
        raise ConfigurationError(
            f"{_origin(thing)} is not marked as a handler; put @step_handler('TypeName') on it, or call "
            "add_handlers('TypeName', handler) with one type and one handler."
        )
    return found


def spec_for(step_type: str, target: Any) -> HandlerSpec:
    """The type is the caller's; the rest is as decorated, if it is."""
    if not step_type.strip():
        raise ConfigurationError(f"The step type of {_origin(target)} is empty.")
    found = specs_of(target)
    return replace(found[0], type=step_type.strip()) if found else HandlerSpec(step_type.strip())


def _check_names(parameters: Parameters, where: str) -> None:
    for name in filter(setting_name, parameters.inputs):
        raise ConfigurationError(
            f"{where}: the parameter {name!r} would never get a value, because the inputs that begin with 'poll' are "
            "the engine's; rename it, or leave it out if it is one of theirs."
        )


def _function_of(target: Any, where: str) -> Callable[..., Any]:
    if isinstance(target, type) and "__call__" not in dir(target):
        raise ConfigurationError(f"{where}: the class has no __call__ method; the step's work goes there.")
    if not callable(target):
        raise ConfigurationError(
            f"{where}: {target!r:.100} cannot be called; pass a function, a class or a callable object."
        )
    function = target.__call__ if isinstance(target, type) else target
    actual = function if inspect.isroutine(function) else type(function).__call__
    if inspect.isasyncgenfunction(actual) or inspect.isgeneratorfunction(actual):
        raise ConfigurationError(f"{where}: it is a generator; return the result instead of yielding it.")
    return function


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _executor(spec: HandlerSpec, is_async: bool, target: Any, where: str) -> ExecutorKind:
    if spec.executor == "auto":
        return ExecutorKind.LOOP if is_async else ExecutorKind.THREAD
    chosen = ExecutorKind(spec.executor)
    if is_async and chosen is not ExecutorKind.LOOP:
        raise ConfigurationError(
            f"{where}: an async handler runs on the event loop, but executor is {spec.executor!r}; make it a plain "
            "'def'."
        )
    if chosen is ExecutorKind.PROCESS and "<" in getattr(target, "__qualname__", ""):
        raise ConfigurationError(f"{where}: other processes cannot import it; define it at the top level of a module.")
    return chosen


def _origin(target: Any) -> str:
    named = target if hasattr(target, "__qualname__") else type(target)
    return f"{named.__module__}.{named.__qualname__}{_line_of(target)}"


def _line_of(target: Any) -> str:
    code = getattr(target, "__code__", None)
    return f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""


def _first_line(target: Any) -> str | None:
    text = inspect.getdoc(target) if inspect.isroutine(target) or isinstance(target, type) else None
    return text.splitlines()[0] if text else None
