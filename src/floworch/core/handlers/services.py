"""Objects that the application lends to its handlers, looked up by type."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from floworch.errors import ConfigurationError

__all__ = ["ServiceResolver", "Services"]

_Service = TypeVar("_Service")


class ServiceResolver(Protocol):
    def get(self, type: type[_Service]) -> _Service:
        """The service of that type. Raises :class:`~floworch.errors.ConfigurationError` when there is none."""
        ...


class Services:
    """Services by type. A factory is called at most once, when its service is first asked for; nothing is ever closed
    here, because the application that made the objects owns them."""

    def __init__(self) -> None:
        self._instances: dict[type, Any] = {}
        self._factories: dict[type, Callable[[], Any]] = {}
        self._lock = threading.RLock()

    def add(self, service: object, factory: Callable[[], object] | None = None) -> None:
        """Lend an instance; or a type with the factory (a callable without arguments) that makes its instance.

        A later service of the same type replaces an earlier one.
        """
        with self._lock:
            if factory is not None:
                self._add_factory(service, factory)
            elif isinstance(service, type):
                raise ConfigurationError(
                    f"The service {service.__qualname__} is a class; add an instance, or "
                    f"add_service({service.__qualname__}, "
                    "factory) with a callable that makes one."
                )
            else:
                self._instances[type(service)] = service
                self._factories.pop(type(service), None)

    def get(self, type: type[_Service]) -> _Service:
        """The service registered for exactly this type, or the only one that is a subclass of it."""
        with self._lock:
            return cast("_Service", self._made(self._key_for(type)))

    def _add_factory(self, service: object, factory: Callable[[], object]) -> None:
        if not isinstance(service, type):
            raise ConfigurationError(
                f"add_service was given {service!r} and a factory; the first must be the type it makes."
            )
        self._factories[service] = factory
        self._instances.pop(service, None)

    def _made(self, key: type) -> Any:
        if key not in self._instances:
            self._instances[key] = self._factories[key]()
        return self._instances[key]

    def _key_for(self, wanted: type) -> type:
        known = [*self._instances, *(key for key in self._factories if key not in self._instances)]
        if wanted in known:
            return wanted
        fitting = [key for key in known if _is_subclass(key, wanted)]
        if len(fitting) == 1:
            return fitting[0]
        raise ConfigurationError(_why_not(wanted, fitting, known))


def _is_subclass(candidate: type, wanted: object) -> bool:
    try:
        return issubclass(candidate, wanted)  # type: ignore[arg-type]
    except TypeError:  # e.g. a Protocol that cannot be checked at run time: only its exact key counts
        return False


def _why_not(wanted: object, fitting: list[type], known: list[type]) -> str:
    name = _name(wanted)
    if fitting:
        return f"Several services are a {name}: {_names(fitting)}. Ask for one of them, or add one as {name} itself."
    return f"No service of type {name} is registered; call add_service(...). Registered: {_names(known) or 'none'}."


def _name(service_type: object) -> str:
    return getattr(service_type, "__qualname__", None) or repr(service_type)


def _names(types: list[type]) -> str:
    return ", ".join(sorted(_name(each) for each in types))
