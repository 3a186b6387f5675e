"""Which ticks start runs after a pause of the processes, and beside runs that go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floworch.core.model.manifest import AtTrigger, CronTrigger, IntervalTrigger
from floworch.core.policy.fires import describe, fires_between, fires_of, last_fires
from floworch.core.policy.ticks import TickDecision, decide_ticks, jitter_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRACE = timedelta(seconds=60)


def hours(*numbers: int) -> list[datetime]:
    return [NOON + timedelta(hours=number) for number in numbers]


def decide(first: datetime, now: datetime, *, active: bool = False, **settings: Any) -> TickDecision:
    trigger = CronTrigger(cron_expression="0 * * * *", **settings)
    return decide_ticks(
        trigger,
        fires_of(trigger),
        first,
        now,
        grace=GRACE,
        has_active_run=active,
        jitter=jitter_of(trigger, "flow/hourly"),
    )


def told(decision: TickDecision) -> list[tuple[int, str]]:
    return [((tick.scheduled_at - NOON) // timedelta(hours=1), tick.outcome.value) for tick in decision.ticks]


def test_a_tick_in_time_fires_and_the_next_one_is_known() -> None:
    decision = decide(NOON, NOON + timedelta(seconds=2))
    assert told(decision) == [(0, "fired")]
    assert decision.next_fire_at == hours(1)[0]


@pytest.mark.parametrize(
    ("catch_up", "limit", "expected"),
    [
        ("latest", 100, [(0, "missed"), (1, "missed"), (2, "missed"), (3, "caught_up")]),
        ("none", 100, [(0, "missed"), (1, "missed"), (2, "missed"), (3, "missed")]),
        ("all", 100, [(0, "caught_up"), (1, "caught_up"), (2, "caught_up"), (3, "caught_up")]),
        ("all", 2, [(0, "missed"), (1, "missed"), (2, "caught_up"), (3, "caught_up")]),
    ],
)
def test_after_a_pause_catch_up_decides(catch_up: str, limit: int, expected: list[tuple[int, str]]) -> None:
    decision = decide(NOON, NOON + timedelta(hours=3, minutes=30), catch_up=catch_up, catch_up_limit=limit)
    assert told(decision) == expected
    assert decision.next_fire_at == hours(4)[0]
    assert all(tick.why for tick in decision.ticks if tick.outcome == "missed")


def test_the_latest_of_the_late_ones_is_not_caught_up_with_beside_one_that_is_in_time() -> None:
    assert told(decide(NOON, NOON + timedelta(hours=2, seconds=5))) == [(0, "missed"), (1, "missed"), (2, "fired")]


def test_of_many_missed_ticks_the_last_hundred_are_told_one_by_one() -> None:
    decision = decide(NOON, NOON + timedelta(hours=1000, minutes=30), catch_up="none")
    assert len(decision.ticks) == 100
    assert "from 2026-03-01T12:00:00+00:00 on" in str(decision.ticks[0].why)


def test_a_decade_of_seconds_is_decided_at_once() -> None:
    trigger = CronTrigger(cron_expression="* * * * * *", catch_up="none")
    now = NOON + timedelta(days=3650, minutes=5)
    found = last_fires(fires_of(trigger), NOON, now, 3)
    assert found == [now - timedelta(seconds=2), now - timedelta(seconds=1), now]


def test_skip_passes_over_ticks_while_a_run_goes_on() -> None:
    assert told(decide(NOON, NOON, overlap="skip")) == [(0, "fired")]
    assert told(decide(NOON, NOON, overlap="skip", active=True)) == [(0, "skipped")]
    late = decide(NOON, NOON + timedelta(hours=1, minutes=30), overlap="skip", catch_up="all")
    assert told(late) == [(0, "caught_up"), (1, "skipped")]


def test_queue_starts_one_after_the_other() -> None:
    waiting = decide(NOON, NOON, overlap="queue", active=True)
    assert (told(waiting), waiting.next_fire_at, waiting.waits) == ([], NOON, True)
    late = NOON + timedelta(hours=1, minutes=30)
    first = decide(NOON, late, overlap="queue")
    assert (told(first), first.next_fire_at, first.waits) == ([(0, "caught_up")], hours(1)[0], True)
    second = decide(hours(1)[0], late, overlap="queue")
    assert (told(second), second.next_fire_at, second.waits) == ([(1, "caught_up")], hours(2)[0], False)


def test_a_queue_is_not_longer_than_its_limit() -> None:
    decision = decide(NOON, NOON + timedelta(hours=4, minutes=30), overlap="queue", active=True, catch_up_limit=2)
    assert told(decision) == [(0, "missed"), (1, "missed"), (2, "missed")]
    assert decision.next_fire_at == hours(3)[0]


def test_cancel_previous_starts_the_last_one_only() -> None:
    decision = decide(NOON, NOON + timedelta(hours=1, minutes=30), overlap="cancel_previous", catch_up="all")
    assert (told(decision), decision.cancels) == ([(0, "skipped"), (1, "caught_up")], False)
    assert decide(NOON, NOON, overlap="cancel_previous", active=True).cancels


def test_jitter_delays_the_run_and_not_the_tick() -> None:
    jitter = jitter_of(CronTrigger(cron_expression="0 * * * *", jitter_seconds=30), "flow/hourly")
    delay = jitter(NOON)
    assert timedelta(0) < delay < timedelta(seconds=30)
    assert jitter(NOON) == delay
    early = decide(NOON, NOON + delay / 2, jitter_seconds=30)
    assert (told(early), early.next_fire_at) == ([], NOON)
    assert told(decide(NOON, NOON + delay, jitter_seconds=30)) == [(0, "fired")]


def test_intervals_are_counted_from_their_start() -> None:
    start = NOON + timedelta(minutes=7)
    every = fires_of(IntervalTrigger(every=timedelta(minutes=20), start=start))
    assert every.next_after(NOON - timedelta(days=1)) == start
    assert every.next_after(start) == start + timedelta(minutes=20)
    assert fires_of(IntervalTrigger(every=900)).next_after(NOON) == NOON + timedelta(minutes=15)


def test_a_time_window_holds_its_ends() -> None:
    trigger = CronTrigger(cron_expression="0 * * * *", start=NOON, end=NOON + timedelta(hours=2))
    found = fires_between(fires_of(trigger), NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert list(found) == hours(0, 1, 2)


def test_a_moment_comes_once() -> None:
    once = fires_of(AtTrigger(at=NOON))
    assert (once.next_after(NOON - timedelta(seconds=1)), once.next_after(NOON)) == (NOON, None)


def test_schedules_in_words() -> None:
    assert describe(CronTrigger(cron_expression="30 2 * * *", time_zone="Europe/Berlin")) == (
        "every day at 02:30 (Europe/Berlin)"
    )
    assert describe(IntervalTrigger(every=900)) == "every 0:15:00"
    assert describe(AtTrigger(at=NOON)) == "once, at 2026-03-01 12:00:00 (UTC)"
    assert describe(IntervalTrigger(every=900), "0 9 * * *") == "every day at 09:00 (UTC)"
