"""Moving a run that is under way to another version of its flow.

What has begun goes on as it is, so it must have the same shape in both versions. What has not begun is planned anew:
steps may have come or gone, or run after others. Iterations that have ended are in nobody's sight, so a loop that has
begun keeps the shape of its body.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from floworch.core.dag.keys import COMPENSATE, child_key, outermost_iteration, split_scope
from floworch.core.dag.lookup import find_step, scope_plan
from floworch.core.dag.plan import FlowPlan, GroupPlan, ScopePlan, StepPlan
from floworch.core.dag.shape import block_faults, scope_faults, step_faults
from floworch.core.machine.apply import under
from floworch.core.machine.commands import ClaimOffer, MigrateRun
from floworch.core.machine.draft import Draft, who
from floworch.core.machine.environment import Payloads
from floworch.core.machine.planning import continue_from
from floworch.core.machine.progress import GroupProgress
from floworch.core.machine.replanning import plan_anew
from floworch.core.machine.state import RunState, StepState
from floworch.core.machine.transition import Transition
from floworch.errors import AlreadyMigrated, InvalidTransition, MigrationRefused

__all__ = ["migrate_run", "require_migratable"]


def migrate_run(
    state: RunState, command: MigrateRun, now: datetime, payloads: Payloads, offer: ClaimOffer | None
) -> Transition:
    """Let the run go on as the other version says. Raises as :func:`require_migratable`."""
    plan = command.plan
    require_migratable(state, plan)
    draft = Draft(under(plan, state), now, payloads, offer)
    draft.rarities.plan = plan
    draft.transition.open_steps.update(draft.state.open_steps)
    draft.transition.unmet = dict(draft.state.unmet)
    draft.fact(
        "run.migrated", version=plan.version, old=state.facts.manifest_hash, new=plan.manifest_hash, **who(command.by)
    )
    # Whatever waits in a scope waits for a step of it that has begun, and stays: so no scope ends by losing steps.
    scopes = [scope for scope in _in_sight(state) if _is_planned(state, scope)]
    continue_from(draft, plan_anew(draft, [key for scope in scopes for key in _without_row(draft, scope)]))
    return draft.transition


def require_migratable(state: RunState, plan: FlowPlan) -> None:
    """Raise MigrationRefused with everything that stands against it, InvalidTransition for a run that has ended,
    AlreadyMigrated for one that goes by that plan."""
    if state.status.is_final:
        raise InvalidTransition(f"the run {state.facts.run_id} has already ended {state.status}")
    if state.facts.manifest_hash == plan.manifest_hash:
        raise AlreadyMigrated(f"the run {state.facts.run_id} goes by this version already")
    if problems := list(dict.fromkeys(_problems(state, plan))):
        raise MigrationRefused(f"the run {state.facts.run_id} cannot go on with the other version", problems)


def _problems(state: RunState, plan: FlowPlan) -> Iterator[str]:
    for scope in _in_sight(state):
        old, new = scope_plan(state.plan, scope), _scope(plan, scope)
        if new is None:
            yield f"{scope!r} has begun, and the other version has no such steps"
        elif state.open_steps[scope] == 0 and split_scope(scope)[1] != COMPENSATE:
            yield from scope_faults(scope, old, new)
        else:
            yield from _faults_of_begun(state, scope, old, new)
    for key, row in state.steps.items():
        yield from _lost_compensations(key, row, plan)


def _faults_of_begun(state: RunState, scope: str, old: ScopePlan, new: ScopePlan) -> Iterator[str]:
    for name, step in old.steps.items():
        key, other = child_key(scope, name), new.steps.get(name)
        row = state.step(key)
        if row is not None:
            yield from step_faults(key, step, other)
            yield from _faults_inside(key, row, step, other)


def _faults_inside(key: str, row: StepState, old: StepPlan, new: StepPlan | None) -> Iterator[str]:
    """Of a loop that has begun. The branches of a scope are looked at one by one, each as far as it has come."""
    if not row.is_block or old.block is None or isinstance(old.block, GroupPlan):
        return
    if new is not None and new.block is not None and new.type == old.type:
        yield from block_faults(key, old.block, new.block)


def _lost_compensations(key: str, row: StepState, plan: FlowPlan) -> Iterator[str]:
    progress = row.progress
    if isinstance(progress, GroupProgress):
        for compensation in (*progress.to_undo, *progress.undoing, *progress.not_undone):
            if find_step(plan, compensation) is None:
                yield f"{key!r} has to run {compensation!r}, and the other version has no such compensation"


def _in_sight(state: RunState) -> list[str]:
    """The scopes that have begun, but for those of iterations."""
    # In order: every process must decide the same, and in what order the scopes were counted differs between them.
    return [scope for scope in sorted(state.open_steps) if outermost_iteration(f"{scope}.") is None]


def _is_planned(state: RunState, scope: str) -> bool:
    """Whether the scope is under way, and its steps begin when those before them have ended."""
    return state.open_steps[scope] > 0 and split_scope(scope)[1] != COMPENSATE


def _without_row(draft: Draft, scope: str) -> list[str]:
    keys = (child_key(scope, name) for name in scope_plan(draft.plan, scope).steps)
    return [key for key in keys if draft.step(key) is None]


def _scope(plan: FlowPlan, scope: str) -> ScopePlan | None:
    try:
        return scope_plan(plan, scope)
    except KeyError:
        return None
