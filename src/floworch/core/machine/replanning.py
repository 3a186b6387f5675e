"""Deciding anew about steps that wait again for their dependencies: after a retry by hand, in a forked run, and in one
that goes by another version of its flow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from floworch.core.dag.keys import child_key, scope_of
from floworch.core.machine.draft import Draft
from floworch.core.machine.planning import continue_from, enter
from floworch.core.machine.state import SkipKind
from floworch.core.machine.steps import skip
from floworch.core.machine.waits import start_wait

__all__ = ["plan_again", "plan_anew"]


def plan_again(draft: Draft, waiting: Iterable[str], final: Sequence[str] = (), resumed: Iterable[str] = ()) -> None:
    """``final`` are steps that are final already, and not yet followed; ``resumed`` begin to wait once more."""
    ended = [*final, *plan_anew(draft, waiting)]
    for key in resumed:
        plan = draft.plan_of(key)
        assert plan.wait is not None
        ended += start_wait(draft, key, plan, plan.wait)
    continue_from(draft, ended)


def plan_anew(draft: Draft, waiting: Iterable[str]) -> list[str]:
    """Decide on all of them before any becomes final: a dependency must not be counted twice. Returns those that are
    final now, and not yet followed."""
    blocked: list[tuple[str, str]] = []
    satisfied: list[str] = []
    for key in dict.fromkeys(waiting):
        blocker, unmet = _dependencies(draft, key)
        draft.set_unmet(key, unmet)
        if blocker is not None:
            blocked.append((key, blocker))
        elif unmet == 0:
            satisfied.append(key)
    final: list[str] = []
    for key, reason in blocked:
        final += skip(draft, key, draft.plan_of(key), SkipKind.PREREQUISITES_UNMET, reason)
    for key in satisfied:
        final += enter(draft, key, draft.plan_of(key))
    return final


def _dependencies(draft: Draft, key: str) -> tuple[str | None, int]:
    """Why the step is blocked for good, if it is, and how many of its dependencies are not final."""
    plan = draft.plan_of(key)
    unmet = 0
    for name, accepted in plan.run_after.items():
        state = draft.step(child_key(scope_of(key), name))
        if state is None or not state.is_final:
            unmet += 1
        elif state.status not in accepted:
            return f"{name!r} ended {state.status}", unmet
    return None, unmet
