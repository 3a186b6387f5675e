"""What the history says first of a run."""

from __future__ import annotations

from collections.abc import Mapping

from floworch.core.machine.draft import Draft
from floworch.core.model.payload import Json

__all__ = ["tell_start"]


def tell_start(draft: Draft, told: Mapping[str, Json] | None = None) -> None:
    """The fact that begins every history; ``told`` says more about how the run came to be."""
    facts, deadline = draft.facts, draft.state.deadline
    limit = {} if deadline is None else {"deadline": deadline.isoformat()}
    parent = {} if facts.parent is None else {"parent": str(facts.parent.run_id), "parent_step": facts.parent.step_key}
    draft.fact("run.started", trigger=facts.trigger_key, version=draft.plan.version, **limit, **parent, **(told or {}))
