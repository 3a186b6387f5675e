"""Which handler runs which step type."""

from __future__ import annotations

import asyncio
import difflib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any, overload

from floworch.core.dag.rules.known import InputCheck
from floworch.core.dag.waits import WAITING_TYPES
from floworch.core.dag.waits.poll import setting_name
from floworch.core.handlers.binding import faults_of_literals
from floworch.core.handlers.construction import construct
from floworch.core.handlers.ended import Raised, call_async
from floworch.core.handlers.parameters import Parameters, read_parameters
from floworch.core.handlers.services import ServiceResolver
from floworch.core.handlers.spec import ExecutorKind, HandlerSpec, specs_of
from floworch.core.model.child_types import RUN_FLOW, child_type
from floworch.core.model.limits import Limit
from floworch.core.model.steps import block_type
from floworch.core.policy.retry import RetryPolicy
from floworch.errors import ConfigurationError

__all__ = ["Handler", "HandlerRegistry", "Handlers", "engines_own"]


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A handler that is ready to be called. ``origin`` says where it was written, for messages."""

    type: str
    call: Callable[..., Any]
    is_async: bool
    executor: ExecutorKind
    parameters: Parameters
    origin: str
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    description: str | None = None
    polls: bool = False
    limit: Limit | None = None
    close: Callable[[], Awaitable[object]] | None = None
    """Ends what the handler keeps open, where it was made here."""

    @property
    def takes_context(self) -> bool:
        return self.parameters.context is not None


class Handlers:
    """Handlers by step type, in whatever case the type is written. Never changes."""

    def __init__(self, handlers: Iterable[Handler], aliases: Mapping[str, Handler] | None = None) -> None:
        """``aliases`` are further words for handlers, which are not among the :attr:`types`."""
        by_type = {each.type.lower(): each for each in handlers}
        self._types = frozenset(each.type for each in by_type.values())
        self._by_type: Mapping[str, Handler] = {
            **{word.lower(): each for word, each in (aliases or {}).items()},
            **by_type,
        }

    @property
    def types(self) -> frozenset[str]:
        """Step types as their authors wrote them."""
        return self._types

    def knowing_flows(self, references: Iterable[str]) -> Handlers:
        """These handlers, with that of ``RunFlow`` for steps that start one of these flows."""
        run_flow = self.find(RUN_FLOW)
        handlers = [each for each in self._by_type.values() if each.type in self._types]
        return Handlers(handlers, {child_type(each): run_flow for each in references} if run_flow else None)

    @property
    def polling_types(self) -> frozenset[str]:
        """Casefolded step types whose handlers poll."""
        return frozenset(each.type.casefold() for each in self._by_type.values() if each.polls)

    @property
    def limits(self) -> dict[str, Limit]:
        """Step type → how its handler is limited."""
        return {each.type: each.limit for each in self._by_type.values() if each.limit is not None}

    def find(self, step_type: str) -> Handler | None:
        """Handler of the step type, or None."""
        return self._by_type.get(step_type.lower())

    def get(self, step_type: str) -> Handler:
        """Handler of the step type. Raises :class:`~floworch.errors.ConfigurationError` that names the nearest one."""
        found = self.find(step_type)
        if found is None:
            raise ConfigurationError(_no_handler(step_type, self.types))
        return found

    def name_check(self, step_type: str) -> InputCheck | None:
        """How to check which inputs a step of the type may have; None where there is no handler, or one that sees to it
        itself."""
        found = self.find(step_type)
        if found is None or found.parameters.takes_rest or found.parameters.whole is not None:
            return None
        return partial(faults_of_literals, found.parameters)

    async def aclose(self) -> Sequence[BaseException]:
        """Close those that keep something open; returns what went wrong."""
        closing = {id(each.call): each.close for each in self._by_type.values() if each.close is not None}
        outcomes = await asyncio.gather(*(call_async(close) for close in closing.values()))
        return [ended.error for ended in outcomes if isinstance(ended, Raised)]

    def __contains__(self, step_type: str) -> bool:
        return step_type.lower() in self._by_type

    def __len__(self) -> int:
        return len(self._by_type)


class HandlerRegistry:
    """Collects handlers; :meth:`build` makes the :class:`Handlers` that the engine runs."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    @property
    def types(self) -> frozenset[str]:
        """Step types that have a handler so far."""
        return frozenset(each.spec.type for each in self._entries.values())

    @property
    def polling_types(self) -> frozenset[str]:
        """Casefolded step types among them whose handlers poll."""
        return frozenset(each.spec.type.casefold() for each in self._entries.values() if each.spec.polls)

    @property
    def checks(self) -> Mapping[str, InputCheck]:
        """Casefolded step types whose literal inputs can be checked before any step runs → how."""
        checked = [each for each in self._entries.values() if each.spec.checks_literals]
        return {each.spec.type.casefold(): partial(faults_of_literals, each.handler.parameters) for each in checked}

    @property
    def missing(self) -> Mapping[str, str]:
        """Casefolded step types whose handlers need what is not installed → what to do about it."""
        needs = [(each.spec.type, *each.spec.extra) for each in self._entries.values() if each.spec.extra]
        return {
            step_type.casefold(): f"The step type {step_type} needs {module}: pip install 'floworch[{extra}]'."
            for step_type, module, extra in needs
            if find_spec(module) is None
        }

    @overload
    def add(self, step_type: str, handler: Callable[..., Any], /, *, replace: bool = False) -> None: ...
    @overload
    def add(self, *things: object, replace: bool = False) -> None: ...
    def add(self, *things: Any, replace: bool = False) -> None:
        """Add decorated functions and classes, instances of decorated classes, modules (everything decorated in them)
        and lists of these; or one callable under a type: ``add("SendMail", send_mail)``.

        ``replace`` lets the handler take the place of another one, such as a built-in. Adding the same handler twice
        does nothing. Raises :class:`~floworch.errors.ConfigurationError`.
        """
        if len(things) == 2 and isinstance(things[0], str):
            step_type, target = things
            self._add(_entry(_spec_for(step_type, target), target), replace)
            return
        for thing in things:
            self._add_thing(thing, replace)

    def build(self, services: ServiceResolver) -> Handlers:
        """Construct the class handlers, once each, with their services. The orchestrator closes those with an async
        ``aclose`` method when it stops.

        Raises :class:`~floworch.errors.ConfigurationError` that names the class and the parameter that has no service.
        """
        instances: dict[type, Any] = {}
        return Handlers([each.connected(services, instances) for each in self._entries.values()])

    def _add_thing(self, thing: Any, replace: bool) -> None:
        if isinstance(thing, ModuleType):
            self._add_module(thing, replace)
        elif isinstance(thing, (list, tuple, set, frozenset)):
            for each in thing:
                self._add_thing(each, replace)
        else:
            for spec in _specs(thing):
                self._add(_entry(spec, thing), replace)

    def _add_module(self, module: ModuleType, replace: bool) -> None:
        decorated = [each for each in vars(module).values() if callable(each) and specs_of(each)]
        if not decorated:
            raise ConfigurationError(
                f"The module {module.__name__} has no handlers; mark them with @step_handler('TypeName')."
            )
        self._add_thing(decorated, replace)

    def _add(self, entry: _Entry, replace: bool) -> None:
        key = entry.spec.type.lower()
        if word := engines_own(entry.spec.type):
            raise ConfigurationError(
                f"Handler {entry.origin} would never be called: steps of the type {word!r} are carried out by the "
                "engine itself. Give it another type."
            )
        present = self._entries.get(key)
        if present is not None and present.target is not entry.target and not replace:
            raise ConfigurationError(
                f"The step type {entry.spec.type!r} has two handlers: {present.origin} and {entry.origin}. Rename "
                f"one, or pass "
                "replace=True to let the second take the place of the first."
            )
        self._entries[key] = entry


def engines_own(step_type: str) -> str | None:
    """The type as it is spelt, when the engine calls no handler for its steps."""
    waiting = (word for word in WAITING_TYPES if word.casefold() == step_type.casefold())
    return block_type(step_type) or next(waiting, None)


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """``handler.call`` of a class is its plain ``__call__`` until it is connected."""

    spec: HandlerSpec
    target: Any
    handler: Handler

    @property
    def origin(self) -> str:
        return self.handler.origin

    def connected(self, services: ServiceResolver, instances: dict[type, Any]) -> Handler:
        if not isinstance(self.target, type):
            return self.handler
        if self.target not in instances:
            instances[self.target] = construct(self.target, services)
        made = instances[self.target]
        return replace(self.handler, call=made, close=getattr(made, "aclose", None))


def _entry(spec: HandlerSpec, target: Any) -> _Entry:
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
    return _Entry(spec, target, handler)


def _check_names(parameters: Parameters, where: str) -> None:
    for name in filter(setting_name, parameters.inputs):
        raise ConfigurationError(
            f"{where}: the parameter {name!r} would never get a value, because the inputs that begin with 'poll' are "
            "the engine's; rename it, or leave it out if it is one of theirs."
        )


def _specs(thing: Any) -> tuple[HandlerSpec, ...]:
    found = specs_of(thing)
    if not found:
        raise ConfigurationError(
            f"{_origin(thing)} is not marked as a handler; put @step_handler('TypeName') on it, or call "
            f"add_handlers('TypeName', handler) with one type and one handler."
        )
    return found


def _spec_for(step_type: str, target: Any) -> HandlerSpec:
    """The type is the caller's; the rest is as decorated, if it is."""
    if not step_type.strip():
        raise ConfigurationError(f"The step type of {_origin(target)} is empty.")
    found = specs_of(target)
    return replace(found[0], type=step_type.strip()) if found else HandlerSpec(step_type.strip())


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
            f"'def'."
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


def _no_handler(step_type: str, types: frozenset[str]) -> str:
    by_lower = {each.lower(): each for each in types}
    close = difflib.get_close_matches(step_type.lower(), by_lower, n=1)
    hint = f"Did you mean {by_lower[close[0]]!r}?" if close else f"Registered: {', '.join(sorted(types)) or 'none'}."
    return f"No handler is registered for the step type {step_type!r}. {hint}"
