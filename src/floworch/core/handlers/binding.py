"""Inputs of a step → arguments of its handler, by name, validated and coerced by pydantic."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from floworch.core.handlers.own_copy import own_copies
from floworch.core.handlers.parameters import NO_DEFAULT, Parameter, Parameters, folded
from floworch.core.handlers.secrets import NO_SECRETS, Secrets
from floworch.core.model.payload import Json

__all__ = ["BindingError", "bind", "faults_of_literals"]

_SHOWN_PROBLEMS = 5
_SHOWN_CHARACTERS = 200


class BindingError(Exception):
    """The inputs do not fit the handler's parameters. The message has every problem, up to five, with input and
    value."""


@dataclass(frozen=True, slots=True)
class _Problem:
    """``path`` leads to the value inside the inputs, the first part is the input's key."""

    path: tuple[str | int, ...]
    message: str
    value: Any = NO_DEFAULT


class _Problems(Exception):
    def __init__(self, found: Sequence[_Problem]) -> None:
        self.found = found


def bind(parameters: Parameters, inputs: Json, written: Json = None, secrets: Secrets = NO_SECRETS) -> dict[str, Any]:
    """Keyword arguments for the handler, without the context. It may change what is in them.

    ``written`` are the inputs as they stand in the manifest: messages tell the expression that a value came from,
    and show nothing of ``secrets``. Raises :class:`BindingError`.
    """
    named = own_copies(_as_object(inputs))
    if _fit_as_they_are(parameters, named):
        return named
    problems: list[_Problem] = []
    arguments = _arguments(parameters, named, problems)
    if problems:
        raise BindingError(_message(problems, written, secrets))
    return arguments


def faults_of_literals(
    parameters: Parameters, literals: Mapping[str, Json], given: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Inputs that cannot be right whatever expressions come to, each with what is wrong with it.

    ``literals`` are those without expressions, ``given`` are the names of all.
    """
    problems: list[_Problem] = []
    named, rest = _sorted_out(parameters, {name: literals.get(name) for name in given}, problems)
    for parameter in parameters.inputs.values():
        if parameter.name not in named or named[parameter.name][0] in literals:
            _add_one({}, parameter, named, problems)
    problems.extend(_unknown(key, parameters.inputs) for key in rest)
    for problem in problems:
        yield str(problem.path[0]), _told(problem, None, NO_SECRETS)


def _fit_as_they_are(parameters: Parameters, inputs: Mapping[str, Json]) -> bool:
    """Whether every input has the very name and type of a parameter and none is missing: that is so for most steps."""
    for name, value in inputs.items():
        parameter = parameters.inputs.get(name)
        if parameter is None or not (type(value) is parameter.exact_type or parameter.adapter is None):
            return False
    return parameters.required <= inputs.keys()


def _as_object(inputs: Json) -> Mapping[str, Json]:
    if inputs is None:
        return {}
    if not isinstance(inputs, (dict, Mapping)):  # nearly always a dict, and quicker than a union
        raise BindingError(f"the inputs are {_shown(inputs)}, not an object with names; write 'inputs' as a mapping.")
    return inputs


def _arguments(parameters: Parameters, inputs: Mapping[str, Json], problems: list[_Problem]) -> dict[str, Any]:
    given, rest = _sorted_out(parameters, inputs, problems)
    whole = parameters.whole
    arguments: dict[str, Any] = {}
    if whole is not None and whole.name not in given and (rest or whole.default is NO_DEFAULT):
        arguments[whole.name] = _whole(whole, rest, problems, may_have_rest=parameters.takes_rest)
        rest = {}
    for parameter in parameters.inputs.values():
        if parameter.name not in arguments:
            _add_one(arguments, parameter, given, problems)
    if parameters.takes_rest:
        arguments |= rest
    else:
        problems.extend(_unknown(key, parameters.inputs) for key in rest)
    return arguments


def _sorted_out(
    parameters: Parameters, inputs: Mapping[str, Json], problems: list[_Problem]
) -> tuple[dict[str, tuple[str, Json]], dict[str, Json]]:
    """Inputs that have a parameter (its name → key and value), and those that have none."""
    given: dict[str, tuple[str, Json]] = {}
    rest: dict[str, Json] = {}
    for key, value in inputs.items():
        name = parameters.names.get(key) or parameters.names.get(folded(key))
        if name is None:
            rest[key] = value
        elif name in given:
            problems.append(_Problem((key,), f"is given twice, as {given[name][0]!r} and {key!r}; remove one"))
        else:
            given[name] = (key, value)
    return given, rest


def _add_one(
    arguments: dict[str, Any], parameter: Parameter, given: Mapping[str, tuple[str, Json]], problems: list[_Problem]
) -> None:
    if parameter.name not in given:
        if parameter.default is NO_DEFAULT:
            problems.append(_Problem((parameter.alias or parameter.name,), "is missing"))
        return
    key, value = given[parameter.name]
    if (
        type(value) is parameter.exact_type
        or parameter.adapter is None
        or (value is None and parameter.default is None)
    ):
        arguments[parameter.name] = value
        return
    try:
        arguments[parameter.name] = _validated(parameter, value, (key,))
    except _Problems as error:
        problems.extend(error.found)


def _whole(parameter: Parameter, inputs: Mapping[str, Json], problems: list[_Problem], *, may_have_rest: bool) -> Any:
    fields = parameter.fields or {}
    renamed = {fields.get(folded(key), key): value for key, value in inputs.items()}
    if not parameter.allows_unknown and not may_have_rest:
        problems.extend(_unknown(key, fields.values()) for key in inputs if folded(key) not in fields)
    try:
        return _validated(parameter, renamed, (), {fields.get(folded(key), key): key for key in inputs})
    except _Problems as error:
        problems.extend(error.found)
        return None


def _validated(
    parameter: Parameter, value: Any, path: tuple[str | int, ...], keys: Mapping[str, str] | None = None
) -> Any:
    assert parameter.adapter is not None
    try:
        return parameter.adapter.validate_python(value)
    except ValidationError as error:
        raise _Problems(list(_problems_of(error, parameter, path, keys or {}))) from None


def _problems_of(
    error: ValidationError, parameter: Parameter, path: tuple[str | int, ...], keys: Mapping[str, str]
) -> Iterator[_Problem]:
    for detail in error.errors(include_url=False, include_context=False):
        first, *inner = detail["loc"] or ("",)
        inside = (*path, *detail["loc"]) if path else (keys.get(str(first), first), *inner)
        if detail["type"] == "missing":
            yield _Problem(inside, "is missing")
        else:
            message = detail["msg"].removeprefix("Input ").removeprefix("Value error, ")
            yield _Problem(inside, message, NO_DEFAULT if parameter.is_secret else detail["input"])


def _unknown(key: str, known: Any) -> _Problem:
    names = sorted(set(known))
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    if close:
        return _Problem((key,), f"is not known to the handler; did you mean {close[0]!r}?")
    return _Problem((key,), f"is not known to the handler; it takes {', '.join(map(repr, names)) or 'no inputs'}")


def _message(problems: Sequence[_Problem], written: Json, secrets: Secrets) -> str:
    told = [_told(problem, written, secrets) for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        told.append(f"and {len(problems) - _SHOWN_PROBLEMS} more")
    return "; ".join(told)


def _told(problem: _Problem, written: Json, secrets: Secrets) -> str:
    text = f"input {_path(problem.path)} {secrets.hide(problem.message)}"
    if problem.value is not NO_DEFAULT:
        text += f": it was {_shown(secrets.hide_in(problem.value))}"
    expression = _expression_at(written, problem.path)
    return f"{text} (from {expression})" if expression else text


def _path(path: tuple[str | int, ...]) -> str:
    first, *inner = path
    return repr(str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in inner))


def _expression_at(written: Json, path: tuple[str | int, ...]) -> str | None:
    for part in path:
        written = _part_of(written, part)
    return _shortened(written) if isinstance(written, str) and "@" in written else None


def _part_of(written: Json, part: str | int) -> Json:
    """The part, or the whole where it has none: an expression covers everything below it."""
    if isinstance(written, Mapping):
        return written.get(part, written)
    if isinstance(written, list) and isinstance(part, int) and part < len(written):
        return written[part]
    return written


def _shown(value: Any) -> str:
    return _shortened(repr(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
