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
    plan = scope_plan(draft.plan, scope)
    states = {key: _final(draft, child_key(scope, key)) for key in plan.steps}
    statuses = {key: state.status for key, state in states.items()}
    return scope_outcome(plan, statuses.__getitem__, lambda key: states[key].skip is SkipKind.PREREQUISITES_UNMET)


def _final(draft: Draft, key: str) -> StepState:
    state = draft.step(key)
    assert state is not None
    return state
