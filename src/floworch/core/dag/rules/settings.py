"""Numbers and words of steps and triggers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from floworch.core.dag.rules.known import KnownTypes
from floworch.core.dag.rules.scopes import Finding, Scope
from floworch.core.dag.waits import WAITING_TYPES
from floworch.core.model.manifest import (
    FOR_EACH,
    SCOPE,
    UNTIL,
    FlowManifest,
    ForEach,
    RetrySettings,
    Step,
    Until,
    block_type,
)
from floworch.core.model.spelling import did_you_mean
from floworch.core.policy.retry import RetryPolicy

__all__ = ["MAX_SECONDS", "defaults", "durations", "limits", "retries", "run_deadline", "step_types"]

MAX_SECONDS = 100 * 365 * 24 * 3600
_LISTED_TYPES = 8
_FIRST = {FOR_EACH: "for_each=...", UNTIL: "until=...", SCOPE: "catch=..."}


def step_types(scope: Scope, known: KnownTypes) -> Iterator[Finding]:
    """Where no names are known, only the form is checked."""
    for key, step in scope.steps.items():
        if not isinstance(step, Step):
            continue
        if fault := _type_fault(step.type, known):
            yield Finding(f"{scope.at(key)}.type", *fault)
        if step.compensate is not None and (fault := _type_fault(step.compensate.type, known)):
            yield Finding(f"{scope.at(key)}.compensate.type", *fault)


def limits(scope: Scope) -> Iterator[Finding]:
    """How much loops may do."""
    for key, step in scope.steps.items():
        if isinstance(step, ForEach) and step.concurrency_limit < 1:
            message = f"concurrencyLimit must be at least 1, got {step.concurrency_limit}."
            yield Finding(f"{scope.at(key)}.concurrencyLimit", "not_positive", message)
        if isinstance(step, Until) and step.max_iterations < 1:
            message = f"maxIterations must be at least 1, got {step.max_iterations}."
            yield Finding(f"{scope.at(key)}.maxIterations", "not_positive", message)


def durations(scope: Scope) -> Iterator[Finding]:
    """Time limits and leases of steps."""
    for key, step in scope.steps.items():
        if isinstance(step, Step):
            yield from _duration(f"{scope.at(key)}.timeoutSeconds", step.timeout)
            yield from _duration(f"{scope.at(key)}.leaseSeconds", step.lease_seconds)
            if step.compensate is not None:
                place = f"{scope.at(key)}.compensate"
                yield from _duration(f"{place}.timeoutSeconds", step.compensate.timeout)
                yield from _duration(f"{place}.leaseSeconds", step.compensate.lease_seconds)
        elif isinstance(step, Until) and step.delay != 0:
            yield from _duration(f"{scope.at(key)}.delaySeconds", step.delay, may_be_nothing=True)


def retries(scope: Scope) -> Iterator[Finding]:
    """What the single fields cannot tell, such as a first delay above the longest one."""
    for key, step in scope.steps.items():
        if isinstance(step, Step):
            yield from _retry(f"{scope.at(key)}.retry", step.retry)
            if step.compensate is not None:
                yield from _retry(f"{scope.at(key)}.compensate.retry", step.compensate.retry)


def _retry(location: str, retry: RetrySettings | None) -> Iterator[Finding]:
    try:
        if retry is not None:
            RetryPolicy(**retry.policy_fields())
    except ValueError as error:
        yield Finding(location, "bad_retry", f"Bad retry settings: {error}.")


def run_deadline(manifest: FlowManifest) -> Iterator[Finding]:
    """Time limit of the whole run."""
    yield from _duration("timeoutSeconds", manifest.timeout_seconds)


def defaults(manifest: FlowManifest) -> Iterator[Finding]:
    """What the flow says about its steps."""
    if manifest.defaults is not None:
        yield from _retry("defaults.retry", manifest.defaults.retry)
        yield from _duration("defaults.timeoutSeconds", manifest.defaults.timeout)


def _type_fault(word: str, known: KnownTypes) -> tuple[str, str] | None:
    if not word.strip():
        return "blank_step_type", "The step type is blank; name the handler that does the work."
    if (block := block_type(word)) is not None:
        return "block_as_step", f"A step of type {block} is made of steps: write {block}({_FIRST[block]}, steps=...)."
    if what_to_do := known.missing.get(word.casefold()):
        return "missing_extra", what_to_do
    names = known.names
    if names is None or word.casefold() in {name.casefold() for name in (*names, *WAITING_TYPES)}:
        return None
    hint = did_you_mean(word, [*names, *WAITING_TYPES, FOR_EACH, UNTIL, SCOPE]) or _registered(names)
    return "unknown_step_type", f"No handler is registered for the step type {word!r}.{hint}"


def _registered(known: Collection[str]) -> str:
    names = sorted(known)
    more = ", …" if len(names) > _LISTED_TYPES else ""
    return f" Registered: {', '.join(names[:_LISTED_TYPES])}{more}." if names else " None is registered: add handlers."


def _duration(location: str, seconds: float | None, *, may_be_nothing: bool = False) -> Iterator[Finding]:
    if seconds is None or 0 < seconds <= MAX_SECONDS:
        return
    name = location.rpartition(".")[2]
    if seconds <= 0:
        least = "0 or more" if may_be_nothing else "more than 0"
        yield Finding(location, "not_positive", f"{name} must be {least}, got {seconds:g}.")
    else:
        yield Finding(location, "too_long", f"{name} must be at most {MAX_SECONDS} (100 years), got {seconds:g}.")
