"""Makes the store know the schedules of the code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from floworch.core.engine.schedules.compiled import Schedules
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.payload import Payload
from floworch.core.model.schedules import ScheduleRecord, TickRecord
from floworch.core.model.timed_triggers import TimedTrigger
from floworch.core.ports.clock import Clock
from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import Storage
from floworch.errors import StorageError

__all__ = ["register_schedules"]

_MOST_ROUNDS = 20


async def register_schedules(
    store: Storage, clock: Clock, schedules: Schedules, flows: Sequence[FlowDefinition]
) -> int:
    """Write schedules that are new or have changed, and retire those of these flows that are in the code no more.

    What people have set stays. A schedule that has not changed keeps its next tick, so that what was missed meanwhile
    is caught up with; any other one begins now. Returns the number of schedules.
    """
    wanted = {(flow.id, key): definition for flow in flows for key, definition in _definitions(flow)}
    for _ in range(_MOST_ROUNDS):
        known = {
            (each.flow_id, each.trigger_key): each
            for each in await store.list_schedules(frozenset(flow.id for flow in flows))
        }
        changes = [
            ScheduleChange(record, _missed(known.get(key), record, schedules, clock.now()))
            for key in known.keys() | wanted.keys()
            if (record := _changed(key, known.get(key), wanted.get(key), schedules, clock.now())) is not None
        ]
        if all(await store.change_schedules(changes) if changes else ()):
            return len(wanted)
    raise StorageError(f"other processes have changed the same schedules {_MOST_ROUNDS} times in a row")


def _definitions(flow: FlowDefinition) -> Iterator[tuple[str, str]]:
    for key, trigger in flow.manifest.triggers.items():
        if isinstance(trigger, TimedTrigger):
            yield key, Payload.of(trigger.model_dump()).text


def _changed(
    key: tuple[UUID, str], known: ScheduleRecord | None, definition: str | None, schedules: Schedules, now: datetime
) -> ScheduleRecord | None:
    """The new row, or None when it can stay as it is."""
    if definition is None:
        if known is None or known.retired_at is not None:
            return None
        return replace(known, retired_at=now, next_fire_at=None, due_at=None, waits_for=None, updated_at=now)
    if known is not None and known.definition == definition and known.retired_at is None:
        return None
    record = known or ScheduleRecord(*key, definition)
    record = replace(record, definition=definition, retired_at=None, updated_at=now)
    return schedules.of(record).upcoming(record, now)


def _missed(
    known: ScheduleRecord | None, changed: ScheduleRecord, schedules: Schedules, now: datetime
) -> list[TickRecord]:
    """What to record of ticks that the schedule has had before, and that nobody has dealt with."""
    if known is None:
        return []
    why = "the trigger has changed in the code" if changed.retired_at is None else "the trigger is in the code no more"
    try:
        return schedules.of(known).missed(known, now, why)
    except StorageError:
        return []  # of another version of floworch, which alone knows when it was due
