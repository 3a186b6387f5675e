"""Why a schedule does not fire now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from floworch.core.explain import Explanation, ReasonCode, ScheduleFacts, explain_schedule
from floworch.core.model.schedules import ScheduleRecord

NOW = datetime(2030, 1, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUN = UUID(int=7)
RECORD = ScheduleRecord(UUID(int=1), "nightly", "{}", next_fire_at=NOW + HOUR, due_at=NOW + HOUR)


def explained(record: ScheduleRecord = RECORD, **facts: Any) -> Explanation:
    return explain_schedule(
        ScheduleFacts(record=record, flow="Report", in_words="every day at 10:00", now=NOW, **facts)
    )


def test_the_next_tick_is_told() -> None:
    told = explained()
    assert told.status == "Scheduled"
    assert told.codes == {ReasonCode.TICK}
    assert told.about == {"flow": "Report", "trigger": "nightly"}
    assert told.sentence == (
        "The schedule 'nightly' of flow 'Report' (every day at 10:00) has its next tick at 2030-01-01T10:00:00Z "
        "(in 60 minutes)."
    )
    assert told.reasons[0].until == NOW + HOUR


@pytest.mark.parametrize(
    ("changes", "facts", "status", "words"),
    [
        ({"retired_at": NOW - HOUR}, {}, "Retired", "has not been in the code since 2030-01-01T08:00:00Z"),
        ({}, {"is_flow_enabled": False}, "Disabled", "the flow is disabled"),
        ({"paused_at": NOW - HOUR, "next_fire_at": None, "due_at": None}, {}, "Paused", "until somebody resumes it"),
        ({"paused_at": NOW - HOUR, "pause_reason": "holidays"}, {}, "Paused", ": holidays."),
        ({"paused_at": NOW - HOUR, "paused_until": NOW + HOUR}, {}, "Paused", "until 2030-01-01T10:00:00Z"),
        ({"waits_for": RUN, "due_at": None}, {}, "Waiting", f"waits for the run {RUN} to end before its tick of"),
        ({"due_at": NOW - HOUR}, {}, "Late", "its tick of 2030-01-01T08:00:00Z (60 minutes ago) was not dealt with"),
        ({"due_at": None, "next_fire_at": None}, {}, "Over", "has no more ticks"),
    ],
)
def test_what_keeps_it_from_firing_is_told(
    changes: dict[str, Any], facts: dict[str, Any], status: str, words: str
) -> None:
    told = explained(replace(RECORD, **changes), **facts)
    assert told.status == status
    assert words in told.sentence


def test_a_tick_within_the_grace_is_not_late() -> None:
    due = replace(RECORD, due_at=NOW - timedelta(seconds=30))
    assert explained(due).codes == {ReasonCode.TICK}
    assert explained(due, grace=timedelta(seconds=10)).codes == {ReasonCode.LATE}


def test_a_pause_that_is_over_is_not_told() -> None:
    assert explained(replace(RECORD, paused_at=NOW - 2 * HOUR, paused_until=NOW - HOUR)).codes == {ReasonCode.TICK}


def test_the_run_that_it_waits_for_is_told_with_its_own_reason() -> None:
    run = Explanation({"runId": str(RUN)}, "Running", "The run of flow 'Report' goes on.", [])
    told = explained(replace(RECORD, waits_for=RUN, due_at=None), waits_for=run)
    assert told.sentence.endswith("The run of flow 'Report' goes on.")
    assert told.reasons[0].details["explanation"]["status"] == "Running"
