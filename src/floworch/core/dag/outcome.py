"""How a scope (a flow, or one iteration of a loop) ends once all of its steps are final."""

from __future__ import annotations

from collections.abc import Callable

from floworch.core.dag.plan import ScopePlan
from floworch.core.model.status import StepStatus

__all__ = ["has_unhandled_failure", "scope_outcome", "unhandled_failures"]


def scope_outcome(
    scope: ScopePlan,
    status_of: Callable[[str], StepStatus],
    was_blocked: Callable[[str], bool],
) -> StepStatus:
    """Succeeded, Failed or Skipped.

    ``status_of`` gives the final status of a step of the scope, ``was_blocked`` whether it was skipped because its
    prerequisites were not met. The rules, in order:

    1. A failed step is handled when a step that runs after it succeeded. Any other failure → Failed.
    2. Error handlers that were not needed, and what runs only after them, are taken away; if every leaf that is left is
       Skipped → Skipped.
    3. Succeeded.
    """
    if has_unhandled_failure(scope, status_of):
        return StepStatus.FAILED
    if all(status_of(key) is StepStatus.SKIPPED for key in _effective_leaves(scope, status_of, was_blocked)):
        return StepStatus.SKIPPED
    return StepStatus.SUCCEEDED


def has_unhandled_failure(scope: ScopePlan, status_of: Callable[[str], StepStatus | None]) -> bool:
    """Whether the scope has failed, by the first rule. ``status_of`` may give None for steps that have no row."""
    return bool(unhandled_failures(scope, status_of))


def unhandled_failures(scope: ScopePlan, status_of: Callable[[str], StepStatus | None]) -> list[str]:
    """Keys of the failed steps that no step after them has made good for, in manifest order."""
    failed = [step for key, step in scope.steps.items() if status_of(key) == StepStatus.FAILED]
    return [step.key for step in failed if not any(status_of(key) == StepStatus.SUCCEEDED for key in step.dependents)]


def _effective_leaves(
    scope: ScopePlan, status_of: Callable[[str], StepStatus], was_blocked: Callable[[str], bool]
) -> set[str]:
    """Leaves of the graph without the error handlers that had nothing to do.

    A handler only goes when everything after it has gone, so what is left never depends on the order.
    """
    gone: set[str] = set()
    leaves = {step.key for step in scope.leaves}
    unneeded = [key for key in leaves if _stands_aside(scope, key, status_of, was_blocked)]
    while unneeded:
        key = unneeded.pop()
        gone.add(key)
        leaves.discard(key)
        for before in scope.steps[key].run_after:
            if gone.issuperset(scope.steps[before].dependents):
                leaves.add(before)
                if _stands_aside(scope, before, status_of, was_blocked):
                    unneeded.append(before)
    return leaves


def _stands_aside(
    scope: ScopePlan, key: str, status_of: Callable[[str], StepStatus], was_blocked: Callable[[str], bool]
) -> bool:
    """Whether the step was skipped because some trouble did not come, which it waits for itself or a step before it."""
    return was_blocked(key) and any(
        status_of(before) not in accepted
        and (StepStatus.SUCCEEDED not in accepted or _stands_aside(scope, before, status_of, was_blocked))
        for before, accepted in scope.steps[key].run_after.items()
    )
