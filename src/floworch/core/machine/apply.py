"""Carrying decisions and claims over to a cached state, and building a state from stored rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from floworch.core.dag.keys import COMPENSATE, child_key, scope_of, split_scope
from floworch.core.dag.lookup import scope_plan
from floworch.core.dag.plan import FlowPlan, ScopePlan
from floworch.core.machine.mailbox import Letter, Mailbox
from floworch.core.machine.state import RunFacts, RunState, StepState, StopRequest, Suspension
from floworch.core.machine.transition import Rarities, Transition
from floworch.core.model.status import RunStatus

__all__ = ["apply", "claim_step", "copy_of", "rebuild", "under"]


def apply(state: RunState, transition: Transition) -> None:
    """Change ``state`` into what the transition made of it. Costs as much as what changed."""
    state.status = transition.status
    state.deadline = transition.deadline
    state.stop = transition.stop
    state.ended_at = transition.ended_at
    state.suspension = transition.suspension
    rarities = transition.rarities
    if rarities is not None:
        if rarities.plan is not None:
            _move(state, rarities.plan)
        state.steps.update(rarities.restored)
        for key in rarities.removed:
            state.steps.pop(key, None)
    state.open_steps.update(transition.open_steps)
    if transition.unmet is not None:
        state.unmet.update(transition.unmet)
    for key, change in transition.steps.items():
        state.steps[key] = change.state
        if state.unmet:
            state.unmet.pop(key, None)
    if rarities is not None:
        for scope in rarities.settled:
            _forget(state, scope)
        if rarities.signals or rarities.taken:
            _deliver(state, rarities)


def copy_of(state: RunState) -> RunState:
    """A state that changes apart from this one. Costs as much as the run has steps."""
    mailbox = None if state.mailbox is None else state.mailbox.copy()
    return replace(
        state, steps=dict(state.steps), open_steps=dict(state.open_steps), unmet=dict(state.unmet), mailbox=mailbox
    )


def claim_step(state: RunState, step_key: str, owner: str, now: datetime) -> StepState:
    """What the store's claim does to the step; returns its new state."""
    started = state.steps[step_key].claimed(owner, now)
    state.steps[step_key] = started
    return started


def rebuild(
    facts: RunFacts,
    plan: FlowPlan,
    *,
    revision: int,
    status: RunStatus,
    deadline: datetime | None,
    stop: StopRequest | None,
    ended_at: datetime | None,
    steps: dict[str, StepState],
    signals: Iterable[Letter] = (),
    suspension: Suspension | None = None,
) -> RunState:
    """State from stored rows; counts what :class:`RunState` derives."""
    mailbox = Mailbox.of(signals)
    state = RunState(facts, plan, revision, status, deadline, stop, ended_at, suspension, steps, mailbox=mailbox)
    _count_all(state)
    return state


def under(plan: FlowPlan, state: RunState) -> RunState:
    """The run as a process finds it that knows nothing but its rows and another plan. Both share their rows."""
    facts = replace(state.facts, manifest_hash=plan.manifest_hash)
    moved = replace(state, facts=facts, plan=plan, open_steps={}, unmet={})
    _count_all(moved)
    return moved


def _count_all(state: RunState) -> None:
    for scope in {"", *map(scope_of, state.steps)}:
        _count(state, scope, scope_plan(state.plan, scope))


def _count(state: RunState, scope: str, plan: ScopePlan) -> None:
    final = {key for key in plan.steps if _is_final(state, child_key(scope, key))}
    state.open_steps[scope] = len(_begun(state, scope, plan)) - len(final)
    for key, step in plan.steps.items():
        step_key = child_key(scope, key)
        if step_key not in state.steps and step.run_after:
            unmet = sum(1 for dependency in step.run_after if dependency not in final)
            if unmet < len(step.run_after):
                state.unmet[step_key] = unmet


def _begun(state: RunState, scope: str, plan: ScopePlan) -> Collection[str]:
    """Steps that are, or will be, carried out. Of the compensations of a scope only some, one after the other."""
    if split_scope(scope)[1] == COMPENSATE:
        return [key for key in plan.steps if child_key(scope, key) in state.steps]
    return plan.steps


def _move(state: RunState, plan: FlowPlan) -> None:
    """The run goes by another plan; its transition holds all counters."""
    state.plan = plan
    state.facts = replace(state.facts, manifest_hash=plan.manifest_hash)
    state.open_steps.clear()
    state.unmet.clear()


def _deliver(state: RunState, rarities: Rarities) -> None:
    mailbox = state.mailbox = state.mailbox or Mailbox()
    for signal in rarities.signals:
        mailbox.add(signal.letter)
    for signal_id, taken_by in rarities.taken.items():
        mailbox.take(signal_id, taken_by.step_key)


def _is_final(state: RunState, step_key: str) -> bool:
    step = state.steps.get(step_key)
    return step is not None and step.is_final


def _forget(state: RunState, scope: str) -> None:
    state.open_steps.pop(scope, None)
    for key in scope_plan(state.plan, scope).steps:
        state.steps.pop(child_key(scope, key), None)
        state.unmet.pop(child_key(scope, key), None)
