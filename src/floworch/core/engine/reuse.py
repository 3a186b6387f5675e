"""Which steps of a run are not its own, but taken over from the run that it was forked from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from floworch.core.model.records import StepRecord
from floworch.core.ports.storage import Storage

__all__ = ["reused_from"]


async def reused_from(store: Storage, run_id: UUID, steps: Mapping[str, StepRecord]) -> dict[str, UUID]:
    """Step key → the run in which the step has really run, for those that are as they were taken over.

    Told by the first commit of the history, so that no row has to remember it. A step that has run again since has
    ended at another time.
    """
    first = await store.list_events(run_id, limit=1)
    reused = {event.step_key: event.data for event in first if event.step_key and event.type == "step.reused"}
    return {key: UUID(data["run"]) for key, data in reused.items() if key in steps and _is_as_it_was(steps[key], data)}


def _is_as_it_was(step: StepRecord, reused: Mapping[str, Any]) -> bool:
    return step.ended_at is not None and step.ended_at.isoformat() == reused.get("ended_at")
