"""The start of a run that takes over what another one has done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from floworch.core.dag.keys import child_key, scope_of
from floworch.core.dag.lookup import scope_plan
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.apply import rebuild
from floworch.core.machine.commands import ClaimOffer
from floworch.core.machine.draft import Draft
from floworch.core.machine.environment import Payloads
from floworch.core.machine.replanning import plan_again
from floworch.core.machine.rewind import Rewound
from floworch.core.machine.starting import tell_start
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import StepChange, Transition
from floworch.core.model.payload import Json, Payload, PayloadRef
from floworch.core.model.status import RunStatus

__all__ = ["Inheritance", "start_fork"]


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a run takes over from its source."""

    rewound: Rewound
    rows: Mapping[str, StepChange]
    """Rows of all steps that are kept, in their order, as the new run writes them."""
    origins: Mapping[str, str]
    """Step key → id of the run in which the step has really run."""
    items: Mapping[str, Payload] = field(default_factory=dict)
    """Snapshots of loop sources, by loop key."""
    payloads: Mapping[PayloadRef, Payload | None] = field(default_factory=dict)
    """What decisions may read of the steps that are kept."""


def start_fork(
    facts: RunFacts,
    plan: FlowPlan,
    deadline: datetime | None,
    now: datetime,
    payloads: Payloads,
    inherited: Inheritance,
    offer: ClaimOffer | None = None,
    told: Mapping[str, Json] | None = None,
) -> tuple[RunState, Transition]:
    """As :func:`~floworch.core.machine.reduce.start_run`, for a run that goes on from what it takes over."""
    state = _inherited_state(facts, plan, deadline, inherited)
    draft = Draft(state, now, {**inherited.payloads, **payloads}, offer)
    tell_start(draft, told)
    for key in inherited.rows:
        _tell_reuse(draft, key, inherited)
    plan_again(draft, _waiting(draft, inherited.rewound))
    return state, _with_rows(draft, inherited)


def _inherited_state(facts: RunFacts, plan: FlowPlan, deadline: datetime | None, inherited: Inheritance) -> RunState:
    settled = set(inherited.rewound.settled)
    live = {key: state for key, state in inherited.rewound.steps.items() if scope_of(key) not in settled}
    return rebuild(
        facts,
        plan,
        revision=0,
        status=RunStatus.RUNNING,
        deadline=deadline,
        stop=None,
        ended_at=None,
        steps=live,
    )


def _tell_reuse(draft: Draft, key: str, inherited: Inheritance) -> None:
    """A block that runs again has no end, by which it is told from a step that is taken over as it is."""
    state = inherited.rewound.steps[key]
    ended = {} if state.ended_at is None else {"ended_at": state.ended_at.isoformat()}
    status, origin = str(state.status), inherited.origins[key]
    iterations = {} if state.loop is None else {"iterations": state.loop.total}
    draft.fact("step.reused", key, attempt=state.attempt, status=status, run=origin, **iterations, **ended)


def _waiting(draft: Draft, rewound: Rewound) -> list[str]:
    waiting: list[str] = []
    for scope in rewound.open:
        names = scope_plan(draft.plan, scope).steps
        if not draft.knows(scope):  # an iteration of which nothing is kept
            draft.set_open(scope, len(names))
        waiting += [key for name in names if draft.step(key := child_key(scope, name)) is None]
    return waiting


def _with_rows(draft: Draft, inherited: Inheritance) -> Transition:
    """All rows are new ones."""
    transition, rarities = draft.transition, draft.rarities
    for change in transition.steps.values():
        change.before = None
    transition.steps = {**inherited.rows, **transition.steps}
    rarities.loop_items = {**inherited.items, **rarities.loop_items}
    rarities.settled = [*inherited.rewound.settled, *rarities.settled]
    return transition
