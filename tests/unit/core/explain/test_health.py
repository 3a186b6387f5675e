"""How everything is, judged from what was seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floworch.core.explain.health import HealthCode, HealthFacts, HealthStatus, Overdue, judge

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATE = [Overdue({"runId": "r", "stepKey": "a"}, NOW - timedelta(minutes=4))]


def test_nothing_late_is_healthy() -> None:
    health = judge(HealthFacts(now=NOW))
    assert health.is_healthy
    assert (health.status, health.reasons, health.checked_at) == (HealthStatus.HEALTHY, [], NOW)


@pytest.mark.parametrize(
    ("facts", "code", "status", "words"),
    [
        ({"is_started": False}, HealthCode.NOT_STARTED, "unhealthy", "was not started"),
        ({"storage_error": "no route"}, HealthCode.STORAGE, "unhealthy", "cannot be used: no route"),
        ({"commits_waiting": 1001}, HealthCode.COMMITS, "degraded", "1001 changes wait"),
        ({"steps": LATE}, HealthCode.STEPS, "degraded", "the workers are busy with others"),
        ({"steps": LATE, "is_anybody_at_work": False}, HealthCode.STEPS, "degraded", "no process runs any step"),
        ({"leases": LATE}, HealthCode.LEASES, "degraded", "The longest for 4 minutes"),
        ({"timers": LATE}, HealthCode.TIMERS, "degraded", "1 timer is overdue"),
        ({"deadlines": [*LATE, *LATE]}, HealthCode.DEADLINES, "degraded", "2 deadlines have passed"),
        ({"schedules": LATE}, HealthCode.SCHEDULES, "degraded", "1 schedule is late"),
    ],
)
def test_what_is_wrong_is_told(facts: dict[str, Any], code: HealthCode, status: str, words: str) -> None:
    health = judge(HealthFacts(now=NOW, **facts))
    [reason] = health.reasons
    assert (reason.code, reason.status, health.status) == (code, status, status)
    assert words in reason.sentence


def test_the_worst_reason_is_the_status_of_the_whole_and_all_are_told() -> None:
    health = judge(HealthFacts(now=NOW, timers=LATE, schedules=LATE))
    assert [reason.code for reason in health.reasons] == [HealthCode.TIMERS, HealthCode.SCHEDULES]
    assert health.status is HealthStatus.DEGRADED


def test_a_store_that_cannot_be_reached_comes_alone() -> None:
    health = judge(HealthFacts(now=NOW, storage_error="gone", timers=LATE))
    assert [reason.code for reason in health.reasons] == [HealthCode.STORAGE]


def test_it_can_be_written_as_json() -> None:
    document = json.loads(json.dumps(judge(HealthFacts(now=NOW, timers=LATE)).to_json()))
    assert document["status"] == "degraded"
    assert document["reasons"][0]["details"] == {
        "count": 1,
        "since": "2029-12-31T23:56:00+00:00",
        "lagSeconds": 240.0,
        "first": [{"runId": "r", "stepKey": "a"}],
    }
