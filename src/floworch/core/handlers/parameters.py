"""A handler's parameters, read from its signature once, at registration."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticUndefinedAnnotation
from pydantic.fields import FieldInfo

from floworch.core.handlers.context import StepContext
from floworch.errors import ConfigurationError

__all__ = ["NO_DEFAULT", "Parameter", "Parameters", "folded", "read_parameters", "resolve_annotations"]

NO_DEFAULT: Any = inspect.Parameter.empty
"""Marks a parameter that must be given."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that takes an input. ``adapter`` is None where any JSON value is fine."""

    name: str
    adapter: TypeAdapter[Any] | None
    default: Any = NO_DEFAULT
    exact_type: type | None = None
    """A value of exactly this type needs no validation."""
    alias: str | None = None
    fields: Mapping[str, str] | None = None
    """Only for a model: folded name → the name its validator takes."""
    allows_unknown: bool = False
    """Only for a model: it says itself what happens to inputs that it does not know."""
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Parameters:
    """``context`` is the name of the parameter that takes the StepContext. ``whole`` is the one that takes the input
    object itself when there is no input of its name."""

    context: str | None
    inputs: Mapping[str, Parameter]
    takes_rest: bool
    whole: Parameter | None
    names: Mapping[str, str] = field(default_factory=dict)
    """Name as written, in camelCase, or folded → name of the parameter."""
    required: frozenset[str] = frozenset()


def read_parameters(function: Callable[..., object], where: str, *, is_method: bool = False) -> Parameters:
    """Parameters of a handler; ``where`` names it in messages. ``is_method`` leaves out ``self``.

    Raises :class:`~floworch.errors.ConfigurationError`.
    """
    hints = resolve_annotations(function, where)
    signature = list(inspect.signature(function).parameters.values())[is_method:]
    context = next((each.name for each in signature if _is_context(each, hints.get(each.name))), None)
    taking = [each for each in signature if each.name != context]
    _check_kinds(taking, where)
    inputs = {
        each.name: _read(each, hints.get(each.name, Any), where)
        for each in taking
        if each.kind is not inspect.Parameter.VAR_KEYWORD
    }
    models = [each for each in inputs.values() if each.fields is not None]
    return Parameters(
        context=context,
        inputs=inputs,
        takes_rest=len(inputs) < len(taking),
        whole=models[0] if len(models) == 1 else None,
        names=_names_of(inputs.values(), where),
        required=frozenset(each.name for each in inputs.values() if each.default is NO_DEFAULT),
    )


def resolve_annotations(function: Callable[..., object], where: str) -> dict[str, Any]:
    """Annotations of the parameters as types. ``StepContext`` may be imported for type checkers only."""
    target = _underlying(function)
    raw = {name: hint for name, hint in getattr(target, "__annotations__", {}).items() if name != "return"}
    try:
        return get_type_hints(
            types.SimpleNamespace(__annotations__=raw),
            globalns={"StepContext": StepContext} | getattr(inspect.unwrap(target), "__globals__", {}),
            include_extras=True,
        )
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        raise ConfigurationError(
            f"{where}: an annotation cannot be resolved: {error}. Import or define the type at module level, where "
            f"it can be "
            "found at run time (not under 'if TYPE_CHECKING:' and not inside a function)."
        ) from error


def folded(name: str) -> str:
    """The name without case, underscores and hyphens: ``orderId``, ``order_id`` and ``Order-ID`` are one."""
    return name.replace("_", "").replace("-", "").lower()


def _underlying(function: Any) -> Any:
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    if inspect.isroutine(function):
        return getattr(function, "__func__", function)
    return type(function).__call__


def _is_context(parameter: inspect.Parameter, hint: Any) -> bool:
    if hint is None:
        return parameter.name == "ctx"
    return any(isinstance(each, type) and issubclass(each, StepContext) for each in _alternatives(hint))


def _check_kinds(parameters: list[inspect.Parameter], where: str) -> None:
    for each in parameters:
        if each.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
            raise ConfigurationError(
                f"{where}: the parameter {str(each)!r} cannot be bound, because inputs have names; make it a "
                f"keyword parameter."
            )


def _read(parameter: inspect.Parameter, hint: Any, where: str) -> Parameter:
    model = _model_of(hint)
    return Parameter(
        name=parameter.name,
        adapter=None if hint in (Any, object) else _adapter(parameter.name, _without_alias(hint), where),
        default=parameter.default,
        exact_type=hint if hint in (str, int, float, bool) else None,
        alias=_alias_of(hint),
        fields=None if model is None else {folded(name): wire for name, wire in _fields_of(model)},
        allows_unknown=_decides_about_unknown(model),
        is_secret="Secret" in repr(hint),
    )


def _adapter(name: str, hint: Any, where: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(
            f"{where}: the parameter {name!r} is annotated with {hint!r}, which inputs cannot be converted to: "
            f"{reason} "
            "Services belong into the constructor of a class handler, or are asked for with ctx.service(...)."
        ) from error


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that a hint allows, without None and without annotations."""
    if get_origin(hint) is Annotated:
        return _alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(inner for each in get_args(hint) if each is not type(None) for inner in _alternatives(each))
    return (hint,)


def _model_of(hint: Any) -> type | None:
    alternatives = _alternatives(hint)
    candidate = alternatives[0] if len(alternatives) == 1 else None
    candidate = get_origin(candidate) or candidate  # a generic dataclass or TypedDict
    return candidate if isinstance(candidate, type) and _has_fields(candidate) else None


def _has_fields(candidate: type) -> bool:
    return issubclass(candidate, BaseModel) or dataclasses.is_dataclass(candidate) or _is_typed_dict(candidate)


def _fields_of(model: type) -> Iterator[tuple[str, str]]:
    """Name by which people may write a field, and the name that the validator takes."""
    if not issubclass(model, BaseModel):
        names = dataclasses.fields(model) if dataclasses.is_dataclass(model) else ()
        yield from ((each.name, each.name) for each in names)
        yield from ((name, name) for name in (get_type_hints(model) if _is_typed_dict(model) else ()))
        return
    for name, info in model.model_fields.items():
        wire = _field_alias(info) or name
        yield name, wire
        yield wire, wire


def _decides_about_unknown(model: type | None) -> bool:
    return model is not None and issubclass(model, BaseModel) and model.model_config.get("extra") is not None


def _alias_of(hint: Any) -> str | None:
    metadata = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((alias for each in metadata if isinstance(each, FieldInfo) and (alias := _field_alias(each))), None)


def _without_alias(hint: Any) -> Any:
    """The alias is used here; pydantic warns of it outside of models."""
    if _alias_of(hint) is None:
        return hint
    kept = [part for each in get_args(hint)[1:] for part in (each.metadata if isinstance(each, FieldInfo) else [each])]
    return Annotated[(get_args(hint)[0], *kept)] if kept else get_args(hint)[0]


def _field_alias(info: FieldInfo) -> str | None:
    return info.validation_alias if isinstance(info.validation_alias, str) else info.alias


def _names_of(parameters: Any, where: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for each in parameters:
        for name in {folded(each.alias or each.name), folded(each.name)}:
            if names.setdefault(name, each.name) != each.name:
                raise ConfigurationError(
                    f"{where}: the parameters {names[name]!r} and {each.name!r} cannot be told apart, because "
                    f"inputs are matched "
                    "without case and underscores; rename one."
                )
    for each in parameters:
        names |= {each.name: each.name, _camel(each.name): each.name}
        if each.alias:
            names[each.alias] = each.name
    return names


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _is_typed_dict(candidate: Any) -> bool:
    # typing.is_typeddict knows typing's own only, and pydantic wants the one of typing_extensions before Python 3.12.
    return isinstance(candidate, type) and issubclass(candidate, dict) and hasattr(candidate, "__required_keys__")
