"""Collecting handlers: which one runs which step type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any, overload

from floworch.core.dag.rules.known import InputCheck
from floworch.core.dag.waits import WAITING_TYPES
from floworch.core.handlers.binding import faults_of_literals
from floworch.core.handlers.entries import Entry, entry_of, spec_for, specs_on
from floworch.core.handlers.lookup import Handlers
from floworch.core.handlers.services import ServiceResolver
from floworch.core.handlers.spec import specs_of
from floworch.core.model.steps import block_type
from floworch.errors import ConfigurationError

__all__ = ["HandlerRegistry", "engines_own"]


class HandlerRegistry:
    """Collects handlers; :meth:`build` makes the :class:`Handlers` that the engine runs."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

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
            self._add(entry_of(spec_for(step_type, target), target), replace)
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
            for spec in specs_on(thing):
                self._add(entry_of(spec, thing), replace)

    def _add_module(self, module: ModuleType, replace: bool) -> None:
        decorated = [each for each in vars(module).values() if callable(each) and specs_of(each)]
        if not decorated:
            raise ConfigurationError(
                f"The module {module.__name__} has no handlers; mark them with @step_handler('TypeName')."
            )
        self._add_thing(decorated, replace)

    def _add(self, entry: Entry, replace: bool) -> None:
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
                "one, or pass replace=True to let the second take the place of the first."
            )
        self._entries[key] = entry


def engines_own(step_type: str) -> str | None:
    """The type as it is spelt, when the engine calls no handler for its steps."""
    waiting = (word for word in WAITING_TYPES if word.casefold() == step_type.casefold())
    return block_type(step_type) or next(waiting, None)
