"""Whether scopes can be carried out: their branches, and what compensates their steps."""

from __future__ import annotations

from collections.abc import Iterator

from floworch.core.dag.rules.scopes import Finding, Scope
from floworch.core.model import manifest as model
from floworch.core.model.manifest import Step

__all__ = ["branches", "compensations"]


def branches(scope: Scope) -> Iterator[Finding]:
    """A key names one step of a scope, in whichever branch it is."""
    if scope.outer is None or not isinstance(scope.block, model.Scope):
        return
    named: dict[str, str] = {}
    for name, steps in scope.block.branches().items():
        for key in steps:
            named.setdefault(key, name)
    own = scope.location.rpartition(".")[2]
    for key in scope.steps:
        if named[key] != own:
            message = f"'{key}' is also a step of '{named[key]}' of the same scope; give it another key."
            yield Finding(scope.at(key), "duplicate_step_key", message)


def compensations(scope: Scope) -> Iterator[Finding]:
    """Only what a scope does can be undone by it: not its ``catch``, and nothing where no scope is around."""
    has_scope = isinstance(scope.block, model.Scope) and scope.beside is None
    for key, step in scope.steps.items():
        if isinstance(step, Step) and step.compensate is not None and not has_scope:
            message = f"Nothing would run the compensation of '{key}': only the 'steps' of a Scope are compensated."
            if scope.blocks_around(model.Scope) and isinstance(scope.block, model.ForEach | model.Until):
                message += " Iterations of a loop are out of its reach: put a Scope of their own around their steps."
            yield Finding(f"{scope.at(key)}.compensate", "compensation_without_scope", message)
