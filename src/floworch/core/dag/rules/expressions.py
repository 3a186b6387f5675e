"""Whether expressions parse and only read what is there when they are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.rules.scopes import OUTSIDE, Finding, Scope, is_placed_elsewhere
from floworch.core.dag.waits.poll import POLL_CONDITION, split_poll_inputs
from floworch.core.expressions import Reference, Source, compile_condition, expression_problems, located_references
from floworch.core.model.manifest import AnyStep, Compensation, ForEach, Step, Until
from floworch.core.model.payload import Json
from floworch.core.model.spelling import did_you_mean
from floworch.errors import ExpressionError

__all__ = ["expressions", "loop_sources"]

_STEP_SOURCES = frozenset({Source.STEP_OUTPUT, Source.STEP_STATUS, Source.STEP_ERROR})
_LOOP_SOURCES = frozenset({Source.ITEM, Source.INDEX})


class _Use(NamedTuple):
    """One reference in one string of one step."""

    reference: Reference
    text: str
    location: str
    key: str
    scope: Scope
    views: tuple[tuple[Scope, str | None], ...]
    """See :meth:`Scope.views`."""


class _Reader(NamedTuple):
    """Who reads, and what is in sight."""

    key: str
    scope: Scope
    views: tuple[tuple[Scope, str | None], ...]

    @classmethod
    def step(cls, key: str, scope: Scope) -> _Reader:
        return cls(key, scope, tuple(scope.views(key)))


def expressions(scope: Scope, scopes: list[Scope], known: KnownTypes) -> Iterator[Finding]:
    """All strings of all steps of the scope: inputs, conditions and loop sources."""
    for key, step in scope.steps.items():
        reader, place = _Reader.step(key, scope), scope.at(key)
        yield from _conditions(reader, step, place, scopes)
        if isinstance(step, ForEach):
            yield from _values(step.for_each, f"{place}.forEach", reader, scopes)
        elif isinstance(step, Until):
            yield from _condition(step.until, f"{place}.until", _after_iteration(step, reader, scopes), scopes)
        elif isinstance(step, Step):
            yield from _inputs(step, f"{place}.inputs", reader, scopes, known)
            if step.compensate is not None:
                undoing = _Reader(key, scope, ((scope, None),))
                yield from _inputs(step.compensate, f"{place}.compensate.inputs", undoing, scopes, known)


def _inputs(
    step: Step | Compensation, place: str, reader: _Reader, scopes: list[Scope], known: KnownTypes
) -> Iterator[Finding]:
    if not known.polls(step):
        yield from _values(step.inputs, place, reader, scopes)
        return
    settings, inputs = split_poll_inputs(step.inputs)
    condition = settings.pop(POLL_CONDITION, None)
    yield from _values({**settings, **inputs}, place, reader, scopes)
    if isinstance(condition, str):
        yield from _condition(condition, f"{place}.{POLL_CONDITION}", reader, scopes, frozenset({Source.RESULT}))


def _after_iteration(step: Until, reader: _Reader, scopes: list[Scope]) -> _Reader:
    """The condition sees the steps of the iteration that has just ended."""
    body = next(scope for scope in scopes if scope.block is step)
    return _Reader(reader.key, body, ((body, None), *reader.views))


def loop_sources(scope: Scope) -> Iterator[Finding]:
    """A loop source is a list, null, or one expression; anything else could only fail at run time."""
    for key, step in scope.steps.items():
        if isinstance(step, ForEach) and (fault := _source_fault(step)):
            yield Finding(f"{scope.at(key)}.forEach", "not_a_list", fault)


def _conditions(reader: _Reader, step: AnyStep, place: str, scopes: list[Scope]) -> Iterator[Finding]:
    places = [(f"{place}.when", step.when)]
    places += [(f"{place}.runAfter.{before}.when", demand.when) for before, demand in step.run_after.items()]
    for location, text in places:
        if text is not None:
            yield from _condition(text, location, reader, scopes)


def _condition(
    text: str, location: str, reader: _Reader, scopes: list[Scope], given: frozenset[Source] = frozenset()
) -> Iterator[Finding]:
    try:
        condition = compile_condition(text)
    except ExpressionError as error:
        yield Finding(location, "bad_expression", str(error))
    else:
        for reference in sorted(condition.references, key=lambda one: one.position):
            if reference.source not in given:
                yield from _check(_Use(reference, text, location, *reader), scopes)


def _values(value: Json, location: str, reader: _Reader, scopes: list[Scope]) -> Iterator[Finding]:
    for place, error in expression_problems(value, location):
        yield Finding(place, "bad_expression", str(error))
    for place, text, reference in located_references(value, location):
        yield from _check(_Use(reference, text, place, *reader), scopes)


def _check(use: _Use, scopes: list[Scope]) -> Iterator[Finding]:
    if fault := _fault(use, scopes):
        yield _finding(use, *fault)


def _fault(use: _Use, scopes: list[Scope]) -> tuple[str, str] | None:
    if use.reference.source in _STEP_SOURCES:
        return _step_fault(use, scopes)
    if use.reference.source is Source.ENV and ".inputs" not in use.location:
        return "env_outside_inputs", "env() can only be read by the inputs of a step, where its value stays secret."
    if use.reference.source is Source.RESULT:
        return "result_outside_poll", "result() is what a polled handler has returned; only pollCondition can read it."
    if use.reference.source is Source.FAILURE and not _deals_with_failure(use):
        message = f"'{use.key}' is not in the catch, finally or compensate of a Scope, so failure() has no value."
        return "failure_outside_scope", message
    return _loop_fault(use) if use.reference.source in _LOOP_SOURCES else None


def _deals_with_failure(use: _Use) -> bool:
    is_compensation = bool(use.location.rpartition(".compensate.")[1])
    return is_compensation or any(scope.beside is not None for scope in use.scope.outwards())


def _finding(use: _Use, code: str, message: str) -> Finding:
    # The caret block comes from the error class, so that it looks the same everywhere.
    return Finding(use.location, code, str(ExpressionError(message, use.text, use.reference.position)))


def _step_fault(use: _Use, scopes: list[Scope]) -> tuple[str, str] | None:
    """Look the step up as the engine does: in the innermost scope that has the key, and not further."""
    name = use.reference.name or ""
    for scope, reader in use.views:
        if name in scope.steps:
            is_before = reader is None or scope.ancestry.is_before(name, reader)
            return None if is_before else _not_before(use.key, name, reader or "", scope)
    return _unknown_step(name, use, scopes)


def _not_before(key: str, name: str, reader: str, scope: Scope) -> tuple[str, str]:
    if name == reader == key:
        message = f"The step '{key}' reads its own result, which does not exist yet."
    elif name == reader:
        message = f"'{key}' is inside the {scope.kind_of(name)} '{name}', which cannot have finished before it."
    elif scope.ancestry.is_before(reader, name):
        message = f"'{name}' runs after '{reader}', so it cannot have finished when '{key}' starts."
    else:
        message = f"'{name}' need not have finished when '{key}' starts: add '{name}' to the runAfter of '{reader}'."
    return "not_finished_before", message


def _unknown_step(name: str, use: _Use, scopes: list[Scope]) -> tuple[str, str]:
    if place := is_placed_elsewhere(name, use.scope, scopes):
        if use.location.rpartition(".compensate.")[1] and place == OUTSIDE:
            message = f"'{name}' is outside of the scope that undoes '{use.key}'; only steps of that scope can be read."
            return "other_scope", message
        return (
            "other_scope",
            f"'{name}' is {place} and cannot be seen from '{use.key}'; read the block's output instead.",
        )
    visible = [key for scope, _ in use.views for key in scope.steps if key != use.key]
    return "unknown_reference", f"There is no step '{name}'.{did_you_mean(name, visible)}"


def _loop_fault(use: _Use) -> tuple[str, str] | None:
    loops = use.scope.blocks_around(*((ForEach,) if use.reference.source is Source.ITEM else (ForEach, Until)))
    name = use.reference.name
    word = use.reference.source.value
    if not loops:
        return "outside_loop", f"'{use.key}' is not inside a loop, so {word}() has no value."
    if name is None or name in loops:
        return None
    around = ", ".join(f"'{loop}'" for loop in loops)
    return "unknown_loop", f"'{use.key}' is not inside a loop '{name}', but inside {around}.{did_you_mean(name, loops)}"


def _source_fault(step: ForEach) -> str | None:
    source = step.for_each
    if source is None or isinstance(source, list):
        return None
    if not isinstance(source, str):
        return f"forEach must be a list or an expression, got {source!r}."
    if source.strip().startswith("@") and not source.strip().startswith(("@@", "@{")):
        return None
    return f'forEach must be a list or an expression such as "@triggerBody()?.items", got the text {source!r}.'
