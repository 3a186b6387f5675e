"""Class handlers: the constructor's parameters are services, looked up by their annotations."""

from __future__ import annotations

import inspect
from typing import Any

from floworch.core.handlers.parameters import resolve_annotations
from floworch.core.handlers.services import ServiceResolver
from floworch.errors import ConfigurationError

__all__ = ["construct"]

_UNTYPED: Any = inspect.Parameter.empty


def construct(handler_class: type, services: ServiceResolver) -> Any:
    """Instance of the class. A parameter without a service takes its default.

    Raises :class:`~floworch.errors.ConfigurationError` that names the class and the parameter.
    """
    constructor: Any = getattr(handler_class, "__init__")  # noqa: B009  (mypy takes the attribute for an instance's)
    if constructor is object.__init__:
        return handler_class()
    where = f"Handler {handler_class.__module__}.{handler_class.__qualname__}"
    hints = resolve_annotations(constructor, where)
    arguments: dict[str, Any] = {}
    for parameter in list(inspect.signature(constructor).parameters.values())[1:]:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        _add_service(arguments, parameter, hints.get(parameter.name, _UNTYPED), services, where)
    return handler_class(**arguments)


def _add_service(
    arguments: dict[str, Any], parameter: inspect.Parameter, hint: Any, services: ServiceResolver, where: str
) -> None:
    has_default = parameter.default is not inspect.Parameter.empty
    if hint is _UNTYPED and not has_default:
        raise ConfigurationError(
            f"{where}: the constructor's parameter {parameter.name!r} needs a type to find its service by."
        )
    try:
        arguments[parameter.name] = services.get(hint)
    except ConfigurationError as error:
        if not has_default:
            raise ConfigurationError(
                f"{where}: the constructor's parameter {parameter.name!r} has no service. {error}"
            ) from error
