"""Schedules on virtual time: what is due when, after pauses and beside runs that go on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from floworch import (
    AtTrigger,
    ConfigurationError,
    CronTrigger,
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    IntervalTrigger,
    InvalidTransition,
    ManualTrigger,
    RunStatus,
    Step,
)
from floworch.core.engine.schedules.compiled import Schedules
from floworch.core.model.manifest import TimedTrigger
from floworch.core.model.payload import Payload
from floworch.core.model.schedules import ScheduleRecord
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import FlowDisabled, NotFound
from tests.engine.workbench import FLOW_ID, SharedMemory, orchestrator

START = datetime(2030, 1, 1, tzinfo=UTC)
"""When virtual time begins."""
HOUR = timedelta(hours=1)


def hourly(**settings: Any) -> CronTrigger:
    return CronTrigger(cron_expression="0 * * * *", **settings)


def flow(trigger: TimedTrigger | None, inputs: dict[str, Any] | None = None) -> FlowDefinition:
    triggers: dict[str, Any] = {"manual": ManualTrigger()} | ({"timed": trigger} if trigger else {})
    steps = {"work": Step(type="Work", inputs=inputs or {})}
    return FlowDefinition(id=FLOW_ID, name="Tested", manifest=FlowManifest(triggers=triggers, steps=steps))


class Work:
    """The handler: notes what it gets, and takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.got: list[Any] = []
        self.breaks = False

    async def __call__(self, value: Any = None) -> Any:
        self.got.append(value)
        await asyncio.sleep(self.seconds)
        if self.breaks:
            raise ValueError("broken")
        return value


class OneStore:
    """The same store for all orchestrators of a test."""

    def __init__(self) -> None:
        self.store: SharedMemory | None = None

    def __call__(self, clock: Clock) -> Storage:
        self.store = self.store or SharedMemory(clock)
        return self.store


def of(trigger: TimedTrigger | None, work: Work | None = None, **more: Any) -> FlowOrchestrator:
    return orchestrator(flow(trigger, more.pop("inputs", None)), {"Work": work or Work()}, **more)


async def until(hours: float) -> None:
    """Sleep until so many hours after the start, and a little."""
    now = asyncio.get_running_loop().time()
    await asyncio.sleep(hours * 3600 + 1 - now)


async def ticks(orchestrator: FlowOrchestrator) -> list[tuple[float, str]]:
    found = await orchestrator.schedules.ticks("Tested", "timed", limit=1000)
    return [((tick.scheduled_at - START) / HOUR, tick.outcome.value) for tick in reversed(found)]


async def test_runs_start_when_their_ticks_come_and_know_their_time() -> None:
    work = Work()
    trigger = hourly(inputs={"region": "eu"})
    inputs = {"value": ["@trigger().scheduledAt", "@trigger().key", "@triggerBody().region"]}
    async with of(trigger, work, inputs=inputs) as flows:
        await until(3)
        assert await ticks(flows) == [(1, "fired"), (2, "fired"), (3, "fired")]
        assert work.got == [[f"2030-01-01T0{n}:00:00+00:00", "timed", "eu"] for n in (1, 2, 3)]
        runs = (await flows.list_runs()).runs
        assert [run.started_at for run in runs] == [run.scheduled_at for run in runs]
        assert (await flows.schedules.get("Tested", "timed")).next_fire_at == START + 4 * HOUR
        assert flows.schedules.lag_seconds == 0.0


async def test_intervals_and_moments_start_runs_too() -> None:
    async with of(IntervalTrigger(every=timedelta(hours=2))) as flows:
        await until(5)
        assert await ticks(flows) == [(2, "fired"), (4, "fired")]


async def test_a_moment_comes_once_and_no_more() -> None:
    async with of(AtTrigger(at=START + HOUR)) as flows:
        await until(50)
        assert await ticks(flows) == [(1, "fired")]
        assert (await flows.schedules.get("Tested", "timed")).next_fire_at is None


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("latest", [(1, "fired"), (2, "missed"), (3, "missed"), (4, "caught_up"), (5, "fired")]),
        ("none", [(1, "fired"), (2, "missed"), (3, "missed"), (4, "missed"), (5, "fired")]),
        ("all", [(1, "fired"), (2, "caught_up"), (3, "caught_up"), (4, "caught_up"), (5, "fired")]),
    ],
)
async def test_what_was_due_while_no_process_ran_is_caught_up_with(catch_up: Any, expected: Any) -> None:
    store = OneStore()
    async with of(hourly(catch_up=catch_up), store=store):
        await until(1)
    await until(4.5)
    async with of(hourly(catch_up=catch_up), store=store) as flows:
        await until(5)
        assert await ticks(flows) == expected


async def test_a_late_schedule_is_logged_once() -> None:
    store = OneStore()
    async with of(hourly(catch_up="all"), store=store):
        await until(1)
    await until(4.5)
    with capture_logs() as logs:
        async with of(hourly(catch_up="all"), store=store):
            await until(6)

    [late] = [line for line in logs if line["event"] == "schedule_late"]
    assert (late["log_level"], late["trigger"], late["lag_seconds"]) == (
        "warning",
        "timed",
        pytest.approx(9000, abs=60),
    )


async def test_what_waits_for_an_earlier_run_is_not_late() -> None:
    with capture_logs() as logs:
        async with of(hourly(overlap="queue"), Work(seconds=3 * 3600)) as flows:
            await until(5)
            assert (await flows.schedules.explain("Tested", "timed")).status == "Waiting"

    assert [line for line in logs if line["event"] == "schedule_late"] == []


async def test_a_schedule_that_has_changed_in_the_code_begins_anew() -> None:
    store = OneStore()
    async with of(hourly(), store=store):
        await until(1)
    await until(4.5)
    async with of(CronTrigger(cron_expression="30 * * * *"), store=store) as flows:
        await until(5.6)
        missed = [(2, "missed"), (3, "missed"), (4, "missed")]
        assert await ticks(flows) == [(1, "fired"), *missed, (5.5, "fired")]


async def test_a_trigger_that_is_gone_from_the_code_is_retired_and_may_come_back() -> None:
    store = OneStore()
    async with of(hourly(), store=store) as flows:
        await flows.schedules.override("Tested", "timed", "15 * * * *")
    async with of(None, store=store) as flows:
        await until(2)
        assert await flows.schedules.list() == []
        [retired] = await flows.schedules.list(retired=True)
        assert (retired.is_retired, retired.next_fire_at) == (True, None)
    async with of(hourly(), store=store) as flows:
        await until(3)
        assert await ticks(flows) == [(2.25, "fired")]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("allow", [(1, "fired"), (2, "fired"), (3, "fired"), (4, "fired")]),
        ("skip", [(1, "fired"), (2, "skipped"), (3, "fired"), (4, "skipped")]),
        ("cancel_previous", [(1, "fired"), (2, "fired"), (3, "fired"), (4, "fired")]),
    ],
)
async def test_a_tick_beside_a_run_that_goes_on(overlap: Any, expected: Any) -> None:
    work = Work(1.5 * 3600)
    async with of(hourly(overlap=overlap), work, drain_seconds=0.1, cancel_grace_seconds=0.1) as flows:
        await until(4.2)
        assert await ticks(flows) == expected
        counts = await flows.count_runs()
        cancelled = 3 if overlap == "cancel_previous" else 0
        assert counts[RunStatus.CANCELLED] == cancelled


async def test_queued_ticks_start_one_after_the_other() -> None:
    work = Work(1.5 * 3600)
    trigger = hourly(overlap="queue", end=START + 3 * HOUR)
    async with of(trigger, work) as flows:
        await until(2.2)
        schedule = await flows.schedules.get("Tested", "timed")
        assert (schedule.next_fire_at, schedule.waits_for is not None) == (START + 2 * HOUR, True)
        await until(8)
        started = [(run.started_at - START) / HOUR for run in reversed((await flows.list_runs()).runs)]
        assert started == pytest.approx([1, 2.5, 4])
        assert [at for at, _ in await ticks(flows)] == [1, 2, 3]


async def test_jitter_delays_the_run_and_not_the_tick() -> None:
    async with of(hourly(jitter_seconds=600)) as flows:
        await until(3.5)
        assert await ticks(flows) == [(1, "fired"), (2, "fired"), (3, "fired")]
        delays = [run.started_at - run.scheduled_at for run in (await flows.list_runs()).runs if run.scheduled_at]
        assert len(set(delays)) == 3
        assert all(timedelta(0) < delay <= timedelta(seconds=601) for delay in delays)


async def test_of_two_processes_one_fires_each_tick() -> None:
    store = OneStore()
    works = [Work(), Work()]
    every = CronTrigger(cron_expression="* * * * * */10")
    async with of(every, works[0], store=store, worker_id="a") as flows:
        async with of(every, works[1], store=store, worker_id="b"):
            await until(1)
        assert [outcome for _, outcome in await ticks(flows)] == ["fired"] * 360
        assert len(works[0].got) + len(works[1].got) == 360


async def test_a_paused_schedule_has_no_ticks_and_nothing_to_catch_up_with() -> None:
    async with of(hourly(catch_up="all")) as flows:
        await until(1)
        await flows.schedules.pause("Tested", "timed", "under repair")
        await until(3)
        schedule = await flows.schedules.get("Tested", "timed")
        assert (schedule.is_paused, schedule.pause_reason, schedule.next_fire_at) == (True, "under repair", None)
        await flows.schedules.resume("Tested", "timed")
        await until(4)
        assert await ticks(flows) == [(1, "fired"), (4, "fired")]


async def why_missed(orchestrator: FlowOrchestrator) -> dict[float, str | None]:
    found = await orchestrator.schedules.ticks("Tested", "timed", limit=1000)
    return {(tick.scheduled_at - START) / HOUR: tick.why for tick in found if tick.outcome == "missed"}


async def test_ticks_that_wait_when_somebody_pauses_or_changes_the_schedule_are_missed_for_that_reason() -> None:
    async with of(hourly(overlap="queue"), Work(2.5 * 3600)) as flows:
        await until(3)
        assert await ticks(flows) == [(1, "fired")]
        await flows.schedules.pause("Tested", "timed")
        assert await why_missed(flows) == dict.fromkeys((2.0, 3.0), "somebody has paused the schedule")
        await flows.schedules.resume("Tested", "timed")
        await until(4.5)
        await flows.schedules.override("Tested", "timed", "45 * * * *")
        await until(6)
        await flows.schedules.reset_to_code("Tested", "timed")
        assert (await ticks(flows))[3:] == [(4, "fired"), (4.75, "missed"), (5.75, "missed")]
        assert (await why_missed(flows))[5.75] == "somebody has changed the schedule"


async def test_what_was_due_before_the_code_changed_is_missed_for_that_reason() -> None:
    store = OneStore()
    async with of(hourly(), store=store):
        await until(1)
    await until(3.5)
    async with of(hourly(catch_up="all"), store=store) as flows:
        assert await why_missed(flows) == dict.fromkeys((2.0, 3.0), "the trigger has changed in the code")
        await until(4)
    await until(5)
    async with of(None, store=store) as flows:
        assert (await why_missed(flows))[5.0] == "the trigger is in the code no more"


async def test_a_pause_until_some_time_ends_by_itself() -> None:
    async with of(hourly()) as flows:
        await flows.schedules.pause("Tested", "timed", until=timedelta(hours=2))
        await until(3)
        assert await ticks(flows) == [(2, "fired"), (3, "fired")]
        assert not (await flows.schedules.get("Tested", "timed")).is_paused
        with pytest.raises(ConfigurationError, match="over already"):
            await flows.schedules.pause("Tested", "timed", until=START)


async def test_what_people_have_set_survives_a_restart() -> None:
    store = OneStore()
    async with of(hourly(), store=store) as flows:
        await flows.schedules.override("Tested", "timed", "30 * * * *")
        with pytest.raises(ConfigurationError, match="Bad cron expression"):
            await flows.schedules.override("Tested", "timed", "0 0 30 2 *")
    async with of(hourly(), store=store) as flows:
        await until(1.6)
        assert await ticks(flows) == [(0.5, "fired"), (1.5, "fired")]
        assert await flows.schedules.describe("Tested", "timed") == "at minute 30, every hour (UTC)"
        await flows.schedules.reset_to_code("Tested", "timed")
        assert await flows.schedules.next_fire_times("Tested", "timed", 2) == [START + 2 * HOUR, START + 3 * HOUR]


async def test_a_run_by_hand_takes_the_moment_for_its_tick() -> None:
    work = Work()
    async with of(hourly(inputs=5), work, inputs={"value": "@triggerBody()"}) as flows:
        await until(0.25)
        handle = await flows.schedules.trigger_now("Tested", "timed")
        result = await handle.wait()
        await (await flows.schedules.trigger_now("Tested", "timed", body=6)).wait()
        assert (result.status, work.got) == (RunStatus.SUCCEEDED, [5, 6])
        run = (await flows.list_runs()).runs[-1]
        assert (run.scheduled_at, run.trigger_key) == (run.started_at, "timed")
        assert await ticks(flows) == []


async def test_a_disabled_flow_starts_no_runs_and_enabling_it_fires_no_burst() -> None:
    async with of(hourly(catch_up="all")) as flows:
        await until(1)
        await flows.disable_flow("Tested")
        with pytest.raises(FlowDisabled):
            await flows.trigger("Tested")
        with pytest.raises(FlowDisabled):
            await flows.schedules.trigger_now("Tested", "timed")
        await until(4)
        schedule = await flows.schedules.get("Tested", "timed")
        assert (schedule.is_enabled, schedule.next_fire_at, schedule.late_seconds) == (False, None, 0.0)
        assert await flows.schedules.next_fire_times("Tested", "timed") == []
        await flows.enable_flow("Tested")
        assert (await (await flows.trigger("Tested")).wait()).succeeded
        await until(5)
        assert await ticks(flows) == [(1, "fired"), (5, "fired")]


async def test_enabling_a_flow_that_is_enabled_forgets_no_tick_that_waits() -> None:
    async with of(hourly(overlap="queue"), Work(seconds=2.5 * 3600)) as flows:
        await until(2.2)
        await flows.enable_flow("Tested")
        await until(3.6)
        assert await ticks(flows) == [(1, "fired"), (2, "caught_up")]


def test_a_process_whose_clock_is_behind_makes_no_tick_come_twice() -> None:
    definition = Payload.of(hourly().model_dump()).text
    record = ScheduleRecord(FLOW_ID, "timed", definition, last_tick_at=START + HOUR)
    resumed = Schedules().of(record).upcoming(record, START + HOUR - timedelta(seconds=2))
    assert resumed.next_fire_at == START + 2 * HOUR


async def test_other_processes_notice_that_a_flow_is_disabled() -> None:
    store = OneStore()
    async with of(hourly(), store=store, worker_id="a") as one, of(hourly(), store=store, worker_id="b") as other:
        await one.disable_flow("Tested")
        await asyncio.sleep(20)
        with pytest.raises(FlowDisabled):
            await other.trigger("Tested")


async def test_a_backfill_starts_the_missing_runs_a_few_at_a_time() -> None:
    store = OneStore()
    work = Work(600)
    async with of(hourly(catch_up="none"), store=store):
        await until(2)
    await until(10.5)
    async with of(hourly(catch_up="none"), work, store=store, inputs={"value": "@trigger().scheduledAt"}) as flows:
        await asyncio.sleep(1)
        window = ("Tested", "timed", START, START + 8 * HOUR)
        assert len(await flows.schedules.plan_backfill(*window)) == 6 + 1  # that of midnight was never due
        await flows.schedules.backfill(*window, max_active=2)
        with pytest.raises(InvalidTransition, match="goes on already"):
            await flows.schedules.backfill(*window)
        await asyncio.sleep(900)
        backfill = (await flows.schedules.get("Tested", "timed")).backfill
        assert backfill is not None
        assert (backfill.started, len(backfill.active), backfill.passed_over) == (4, 2, 2)
        await asyncio.sleep(3 * 900)
        assert [outcome for at, outcome in await ticks(flows) if at <= 8] == [
            *["backfilled"],
            *["fired"] * 2,
            *["backfilled"] * 6,
        ]
        backfill = (await flows.schedules.get("Tested", "timed")).backfill
        assert backfill is not None
        assert (backfill.status, backfill.started, backfill.active) == ("done", 7, ())
        assert [at for at in work.got if at < "2030-01-01T09"] == [
            f"2030-01-01T0{n}:00:00+00:00" for n in (0, 3, 4, 5, 6, 7, 8)
        ]


async def test_a_backfill_of_failed_runs_can_be_paused_and_aborted() -> None:
    work = Work()
    work.breaks = True
    async with of(hourly(), work) as flows:
        await until(5)
        work.breaks, work.seconds = False, 600
        await flows.schedules.backfill("Tested", "timed", START, START + 5 * HOUR, only="failed")
        await asyncio.sleep(60)
        await flows.schedules.pause_backfill("Tested", "timed")
        await asyncio.sleep(2000)
        backfill = (await flows.schedules.get("Tested", "timed")).backfill
        assert backfill is not None
        assert (backfill.status, backfill.started) == ("paused", 1)
        await flows.schedules.resume_backfill("Tested", "timed")
        await asyncio.sleep(60)
        backfill = await flows.schedules.abort_backfill("Tested", "timed")
        assert (backfill.status, backfill.started) == ("aborted", 2)
        with pytest.raises(InvalidTransition, match="no backfill"):
            await flows.schedules.resume_backfill("Tested", "timed")


async def test_unknown_schedules_are_named_with_the_nearest_one() -> None:
    async with of(hourly()) as flows:
        with pytest.raises(NotFound, match="Did you mean 'timed'"):
            await flows.schedules.get("Tested", "timd")


@pytest.mark.parametrize(
    "wrong", [{"end": START - HOUR}, {"only": "some"}, {"max_active": 0}, {"start": START.replace(tzinfo=None)}]
)
async def test_a_backfill_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    async with of(hourly()) as flows:
        asked: dict[str, Any] = {"start": START, "end": START + HOUR, **wrong}
        with pytest.raises(ConfigurationError):
            await flows.schedules.backfill("Tested", "timed", **asked)
