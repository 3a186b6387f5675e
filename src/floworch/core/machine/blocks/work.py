"""What a block asks of the planner, and what blocks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from floworch.core.dag.keys import child_key
from floworch.core.dag.lookup import scope_plan
from floworch.core.machine.draft import Draft
from floworch.core.model.status import StepStatus

__all__ = ["Begin", "Work", "first_failed"]


@dataclass(frozen=True, slots=True)
class Begin:
    """Enter the steps of this scope."""

    scope: str


Work: TypeAlias = Begin | str
"""A scope to begin, or the key of a step that is final now."""


def first_failed(draft: Draft, scope: str) -> str:
    """Key of the first step of the scope, in manifest order, that has failed."""
    keys = (child_key(scope, key) for key in scope_plan(draft.plan, scope).steps)
    return next(key for key in keys if (state := draft.step(key)) and state.status is StepStatus.FAILED)
