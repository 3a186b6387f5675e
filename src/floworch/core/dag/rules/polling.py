"""Whether polling steps say sensibly what they wait for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.rules.scopes import Finding, Scope
from floworch.core.dag.waits.poll import POLL_CONDITION, split_poll_inputs
from floworch.core.expressions import compile_template
from floworch.core.model.manifest import Compensation, Step
from floworch.core.model.payload import Json
from floworch.core.model.spelling import did_you_mean
from floworch.core.policy.polling import POLL_SETTINGS, faults_of
from floworch.errors import ExpressionError

__all__ = ["poll_settings"]

_NAMES = (*POLL_SETTINGS, POLL_CONDITION)


def poll_settings(scope: Scope, known: KnownTypes) -> Iterator[Finding]:
    """The poll inputs of every polling step of the scope; values that are expressions are only known at run time."""
    for key, step in scope.steps.items():
        if isinstance(step, Step):
            yield from _settings(step, f"{scope.at(key)}.inputs", known)
            if step.compensate is not None:
                yield from _settings(step.compensate, f"{scope.at(key)}.compensate.inputs", known)


def _settings(step: Step | Compensation, place: str, known: KnownTypes) -> Iterator[Finding]:
    if not known.polls(step):
        return
    given, _ = split_poll_inputs(step.inputs)
    for name in given:
        if name not in _NAMES:
            message = f"{name!r} is no setting of polling.{did_you_mean(name, _NAMES) or f' There are {_listed()}.'}"
            yield Finding(f"{place}.{name}", "unknown_poll_setting", message)
    literals = {name: value for name, value in given.items() if _is_literal(value)}
    for name, fault in faults_of(literals):
        yield Finding(f"{place}.{name}", "bad_poll_setting", f"{name} {fault}.")
    yield from _contradictions(given, literals, place)


def _contradictions(given: Mapping[str, Json], literals: Mapping[str, Any], place: str) -> Iterator[Finding]:
    if given.get(POLL_CONDITION) is not None:
        for other in ("pollConditionPath", "pollConditionEquals"):
            if given.get(other) is not None:
                message = f"Give either {POLL_CONDITION} or {other}: one of them has to decide."
                yield Finding(f"{place}.{other}", "two_poll_conditions", message)
    interval, longest = literals.get("pollIntervalSeconds"), literals.get("pollMaxIntervalSeconds")
    if isinstance(interval, (int, float)) and isinstance(longest, (int, float)) and longest < interval:
        message = f"pollMaxIntervalSeconds ({longest:g}) must not be less than pollIntervalSeconds ({interval:g})."
        yield Finding(f"{place}.pollMaxIntervalSeconds", "bad_poll_setting", message)


def _is_literal(value: Json) -> bool:
    try:
        return compile_template(value).is_literal
    except ExpressionError:  # reported with the other expressions
        return False


def _listed() -> str:
    return ", ".join(_NAMES)
