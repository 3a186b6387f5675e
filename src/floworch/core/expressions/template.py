"""Input values: literals, expressions, texts with ``@{...}`` in them, and containers of those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from floworch.core.expressions.compiler import Compiler, Evaluate
from floworch.core.expressions.kinds import text_of
from floworch.core.expressions.limits import MAX_VALUE_LEVELS
from floworch.core.expressions.origin import Fault, Origin
from floworch.core.expressions.references import Environment, Reference
from floworch.core.expressions.scanner import Embedded, Part, Text, Whole, scan
from floworch.core.expressions.syntax import references_of
from floworch.core.model.payload import Json
from floworch.errors import ExpressionError

__all__ = ["Template", "compile_template", "expression_problems", "located_references"]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A compiled input value.

    ``references`` is everything that it may read, whichever branches are taken. A literal template evaluates nothing
    and gives the same object every time, which callers must not change: ``source`` itself unless it has escapes in it.
    """

    source: Json
    references: frozenset[Reference]
    is_literal: bool
    evaluate: Evaluate

    def resolve(self, env: Environment) -> Json:
        """The value for one run. What it reads is data and never looked at for expressions again.

        Raises :class:`~floworch.errors.ExpressionError`.
        """
        return self.evaluate(env)


def compile_template(value: Json, location: str = "") -> Template:
    """Compile a value of a manifest. Keys of objects are never expressions.

    ``location`` is the value's path in the manifest, for error messages. Raises
    :class:`~floworch.errors.ExpressionError` for the first mistake; :func:`expression_problems` gives all of them.
    """
    return _compile(value, location, 0)


def expression_problems(value: Json, location: str) -> list[tuple[str, ExpressionError]]:
    """Every mistake in every text inside the value, each with the path of that text; empty if all is well."""
    problems: list[tuple[str, ExpressionError]] = []
    try:
        for path, text in _texts(value, location, 0):
            problems.extend((path, error) for error in _problems_of(text))
    except ExpressionError as error:
        problems.append((location, error))
    return problems


def located_references(value: Json, location: str) -> list[tuple[str, str, Reference]]:
    """Every reference in the value: path of the text that holds it, that text, and the reference.

    Texts with mistakes are passed over.
    """
    return [
        (path, text, reference)
        for path, text in _texts(value, location, 0)
        if not _problems_of(text)
        for reference in sorted(_compile_text(text, "").references, key=lambda reference: reference.position)
    ]


def _problems_of(text: str) -> list[ExpressionError]:
    if "@" not in text:
        return []
    try:
        parts = scan(Origin(text))
    except ExpressionError as error:
        return [error]
    return [part.node for part in parts if isinstance(part, Embedded) and isinstance(part.node, ExpressionError)]


def _texts(value: Json, location: str, level: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield location, value
        return
    for path, child in _children(value, location):
        yield from _texts(child, path, _deeper(location, level))


def _children(value: Json, location: str) -> list[tuple[str, Json]]:
    if isinstance(value, Mapping):
        return [(f"{location}.{key}" if location else str(key), child) for key, child in value.items()]
    if isinstance(value, list | tuple):
        return [(f"{location}[{index}]", child) for index, child in enumerate(value)]
    return []


def _deeper(location: str, level: int) -> int:
    if level >= MAX_VALUE_LEVELS:
        raise ExpressionError(f"{location[:200]}: the value is nested deeper than {MAX_VALUE_LEVELS} levels", "")
    return level + 1


def _compile(value: Json, location: str, level: int) -> Template:
    if isinstance(value, str):
        return _compile_text(value, location) if "@" in value else _constant(value, value)
    if not isinstance(value, Mapping | list | tuple):
        return _constant(value, value)
    below = _deeper(location, level)
    return _container(value, [_compile(child, path, below) for path, child in _children(value, location)])


def _constant(source: Json, value: Json) -> Template:
    return Template(source, frozenset(), True, lambda env: value)


def _container(source: Json, children: list[Template]) -> Template:
    if all(child.is_literal for child in children):
        return _literal_container(source, children)
    references = frozenset[Reference]().union(*(child.references for child in children))
    if isinstance(source, Mapping):
        return Template(source, references, False, _object(dict(zip(source, children, strict=True))))
    return Template(source, references, False, _array([child.evaluate for child in children]))


def _literal_container(source: Json, children: list[Template]) -> Template:
    values = [child.evaluate(None) for child in children]
    originals = source.values() if isinstance(source, Mapping) else source
    if all(value is original for value, original in zip(values, originals, strict=True)):
        return _constant(source, source)
    return _constant(source, dict(zip(source, values, strict=True)) if isinstance(source, Mapping) else values)


def _object(members: dict[str, Template]) -> Evaluate:
    fixed = {name: member.evaluate(None) if member.is_literal else None for name, member in members.items()}
    changing = [(name, member.evaluate) for name, member in members.items() if not member.is_literal]

    def evaluate(env: Environment) -> Json:
        result = fixed.copy()
        for name, resolve in changing:
            result[name] = resolve(env)
        return result

    return evaluate


def _array(items: list[Evaluate]) -> Evaluate:
    return lambda env: [item(env) for item in items]


def _compile_text(text: str, location: str) -> Template:
    origin = Origin(text, location)
    parts = scan(origin)
    match parts:
        case [Whole(node=node)]:
            return Template(text, references_of(node), False, Compiler(origin).compile(node))
        case [Text(text=plain)]:
            return _constant(text, text if plain == text else plain)
        case _:
            return _interpolated(origin, parts)


def _interpolated(origin: Origin, parts: list[Part]) -> Template:
    compiler = Compiler(origin)
    references: set[Reference] = set()
    pieces: list[Evaluate] = []
    for part in parts:
        if isinstance(part, Text):
            pieces.append(_fixed_text(part.text))
        else:
            if isinstance(part.node, ExpressionError):
                raise part.node
            references |= references_of(part.node)
            pieces.append(_as_text(origin, compiler.compile(part.node), part.start))
    return Template(origin.text, frozenset(references), False, lambda env: "".join([piece(env) for piece in pieces]))


def _fixed_text(text: str) -> Evaluate:
    return lambda env: text


def _as_text(origin: Origin, evaluate: Evaluate, start: int) -> Evaluate:
    def written(env: Environment) -> str:
        value = evaluate(env)
        try:
            return text_of(value)
        except Fault as fault:
            raise origin.error(fault.reason, start) from None

    return written
