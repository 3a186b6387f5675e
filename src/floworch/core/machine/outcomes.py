"""How a scope of a run ends."""

from __future__ import annotations

from floworch.core.dag.keys import child_key
from floworch.core.dag.lookup import scope_plan
from floworch.core.dag.outcome import scope_outcome
from floworch.core.machine.draft import Draft
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.model.status import StepStatus

__all__ = ["outcome_of"]


def outcome_of(draft: Draft, scope: str) -> StepStatus:
    """How a scope ends, all of whose steps are final."""

    def state_of(key: str) -> StepState:
        state = draft.step(child_key(scope, key))
        assert state is not None
        return state

    return scope_outcome(
        scope_plan(draft.plan, scope),
        lambda key: state_of(key).status,
        lambda key: state_of(key).skip is SkipKind.PREREQUISITES_UNMET,
    )
