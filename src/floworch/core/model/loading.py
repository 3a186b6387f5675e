"""Manifest files: JSON and YAML text to plain values, with the mistakes that parsers let pass."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from floworch.errors import ConfigurationError, FlowProblem, FlowValidationError

__all__ = ["check_size", "parse_json", "parse_manifest_text", "parse_yaml"]

_MAX_DEPTH = 100
_MAX_VALUES = 1_000_000
_BOOLEAN = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")


def parse_manifest_text(data: bytes, suffix: str, source: str) -> Any:
    """Parse by the file's suffix. Raises :class:`~floworch.errors.FlowValidationError`."""
    match suffix.lower():
        case ".json":
            return parse_json(data, source)
        case ".yaml" | ".yml":
            return parse_yaml(data, source)
        case _:
            raise _syntax_error(source, f"Unknown file type {suffix!r}; use .json, .yaml or .yml.")


def parse_json(data: str | bytes, source: str) -> Any:
    """Strict JSON: no NaN, no key twice. Numbers keep their digits."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_exact_number)
    except json.JSONDecodeError as error:
        raise _syntax_error(source, f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise _syntax_error(source, "The JSON is nested too deeply.") from None
    except ValueError as error:
        raise _syntax_error(source, f"Not JSON: {error}") from None
    check_size(value, source)
    return value


def parse_yaml(data: str | bytes, source: str) -> Any:
    """YAML 1.2 words (only true and false are booleans, dates are text), no key twice, no recursion."""
    try:
        import yaml  # heavy, and not needed for flows that are written in Python
    except ImportError as error:
        raise ConfigurationError("Reading YAML needs PyYAML: pip install pyyaml") from error
    try:
        value = yaml.load(data, _strict_loader(yaml))
    except yaml.YAMLError as error:
        raise _syntax_error(source, f"Not YAML: {error}") from None
    except RecursionError:
        raise _syntax_error(source, "The YAML is nested too deeply.") from None
    check_size(value, source)
    return value


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} occurs twice in one object.")
        found[key] = value
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number.")


def _exact_number(text: str) -> float | Decimal:
    number = float(text)
    exact = Decimal(text)
    return number if Decimal(repr(number)) == exact else exact


def _strict_loader(yaml: Any) -> Any:
    class StrictLoader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:  # before merge keys add what may be overridden
            key = key_node.value
            if key in seen:
                problem = f"the key {key!r} occurs twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        loader.flatten_mapping(node)
        return dict(loader.construct_pairs(node, deep=True))

    StrictLoader.add_constructor("tag:yaml.org,2002:map", mapping)
    StrictLoader.yaml_implicit_resolvers = _without_surprises(yaml.SafeLoader.yaml_implicit_resolvers)
    StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOLEAN, list("tTfF"))
    return StrictLoader


def _without_surprises(resolvers: dict[str, list[tuple[str, Any]]]) -> dict[str, list[tuple[str, Any]]]:
    """The resolvers of YAML 1.1 but for ``yes``/``no``/``on``/``off`` and dates, which people mean as text."""
    unwanted = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
    return {first: [entry for entry in entries if entry[0] not in unwanted] for first, entries in resolvers.items()}


def check_size(value: Any, source: str) -> None:
    """Refuse what is nested so deeply, or so large, that it can only be a mistake, like a list that contains itself."""
    waiting = [(value, 0)]
    count = 0
    while waiting:
        item, depth = waiting.pop()
        count += 1
        if depth > _MAX_DEPTH or count > _MAX_VALUES:
            raise _syntax_error(source, "The manifest is too large, nested too deeply, or contains itself.")
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        waiting.extend((child, depth + 1) for child in children)


def _syntax_error(source: str, message: str) -> FlowValidationError:
    return FlowValidationError([FlowProblem(source, "", message, "syntax")])
