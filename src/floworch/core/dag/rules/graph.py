"""Whether the steps of a scope can run in some order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from floworch.core.dag.reachability import cycles
from floworch.core.dag.rules.scopes import Finding, Scope, is_placed_elsewhere
from floworch.core.model.spelling import did_you_mean

__all__ = [
    "MAX_CYCLES_SHOWN",
    "MAX_DEPTH",
    "body_present",
    "dependencies_known",
    "entry_present",
    "nesting",
    "no_cycles",
]

MAX_DEPTH = 8
MAX_CYCLES_SHOWN = 25


def body_present(scope: Scope) -> Iterator[Finding]:
    """Neither a flow nor a block may be empty."""
    if scope.steps:
        return
    if scope.outer is None or scope.block_key is None:
        yield Finding("steps", "no_steps", "The flow has no steps; add at least one.")
    else:
        yield Finding(scope.outer.at(scope.block_key), "empty_block", f"The {scope.block_words} has no steps.")


def entry_present(scope: Scope) -> Iterator[Finding]:
    """Some step must wait for nothing."""
    if scope.steps and all(step.run_after for step in scope.steps.values()):
        whose = "flow" if scope.block is None else scope.block_words
        message = f"The {whose} has no entry step: every step runs after another one, so none can start."
        yield Finding(scope.location, "no_entry_step", message)


def dependencies_known(scope: Scope, scopes: list[Scope]) -> Iterator[Finding]:
    """A step can only run after steps of its own scope."""
    for key, step in scope.steps.items():
        for before in step.run_after:
            if before not in scope.steps:
                location = f"{scope.at(key)}.runAfter.{before}"
                yield _unknown_dependency(location, key, before, scope, scopes)


def no_cycles(scope: Scope) -> Iterator[Finding]:
    """Cycles are printed as paths; a tangle of very many is not printed in full."""
    graph = {key: step.run_after.keys() for key, step in scope.steps.items()}
    for path in islice(cycles(graph), MAX_CYCLES_SHOWN):
        shown = " -> ".join(path)
        yield Finding(scope.at(path[0]), "cycle", f"The steps wait for each other in a cycle: {shown}.")


def nesting(scope: Scope) -> Iterator[Finding]:
    """Blocks may nest, within reason."""
    # Only the first level that is too deep is worth a line.
    if scope.depth == MAX_DEPTH + 1 and scope.outer is not None and scope.block_key is not None:
        message = f"The {scope.block_words} is inside {MAX_DEPTH} other blocks; at most {MAX_DEPTH} may nest."
        yield Finding(scope.outer.at(scope.block_key), "nested_too_deep", message)


def _unknown_dependency(location: str, key: str, before: str, scope: Scope, scopes: list[Scope]) -> Finding:
    if place := is_placed_elsewhere(before, scope, scopes):
        message = f"'{key}' cannot run after '{before}', which is {place}; only steps beside it count."
        return Finding(location, "other_scope", message)
    hint = did_you_mean(before, (other for other in scope.steps if other != key))
    return Finding(location, "unknown_step", f"'{key}' runs after '{before}', but there is no such step.{hint}")
