"""Somebody is told of runs that have ended badly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from floworch import (
    ConfigurationError,
    FailureNotice,
    FlowDefinition,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    RunStatus,
    Step,
    Throttle,
)
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.testing.clock import VirtualClock
from tests.engine.workbench import FLOW_ID, SharedMemory, chain, flow_of, seconds


class Told:
    """A notifier that remembers what it was told, and fails as often as it has to."""

    def __init__(self, *, failures: int = 0) -> None:
        self.notices: list[FailureNotice] = []
        self.at: list[float] = []
        self.failures = failures
        self._changed = asyncio.Event()

    async def __call__(self, notice: FailureNotice) -> None:
        self.at.append(seconds())
        self.notices.append(notice)
        self._changed.set()
        if len(self.notices) <= self.failures:
            raise ConnectionError("nobody answers")

    async def until(self, count: int) -> list[FailureNotice]:
        async with asyncio.timeout(100_000):
            while len(self.notices) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.notices


async def fail() -> None:
    raise ValueError("no such order")


async def succeed() -> None:
    return None


FAILS = flow_of(chain("Work", "Fail", "Work"), tags={"tenant": "@triggerBody()"})


def build(
    store: Storage | None,
    *flows: FlowDefinition,
    on_failure: tuple[Any, ...] = (),
    handlers: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> FlowOrchestrator:
    """With these notifiers, all with the same options."""
    builder = FlowOrchestrator.builder().use_asyncio_runtime().add_flow(*(flows or (FAILS,)))
    builder.use_storage(lambda clock: store or SharedMemory(clock))
    for step_type, handler in {"Work": succeed, "Fail": fail, **(handlers or {})}.items():
        builder.add_handlers(step_type, handler)
    for notifier in on_failure:
        builder.on_failure(notifier, **options)
    return builder.use_clock(clock()).configure(**(settings or {})).build()


def clock() -> Clock:
    return VirtualClock(asyncio.get_running_loop())


async def run(orchestrator: FlowOrchestrator, flow: UUID | str = FLOW_ID, **options: Any) -> UUID:
    """A run to its end."""
    handle = await orchestrator.trigger(flow, **options)
    await handle.wait(10_000)
    return handle.run_id


async def test_a_failed_run_is_told_of_once_with_everything_about_it() -> None:
    told = Told()
    async with build(None, on_failure=(told,), link="https://ops.example/{flow}/{run_id}?{status}") as orchestrator:
        run_id = await run(orchestrator, body="acme")
        await told.until(1)
        await asyncio.sleep(5000)

    [notice] = told.notices
    assert (notice.run.id, notice.run.status, notice.flow_name) == (run_id, RunStatus.FAILED, "Tested")
    assert notice.tags == {"tenant": "acme"}
    assert notice.error == "step 's1' failed: no such order"
    assert notice.link == f"https://ops.example/Tested/{run_id}?Failed"
    [step] = notice.failed_steps
    assert (step.key, step.type, step.attempt) == ("s1", "Fail", 1)
    assert (step.error_type, step.message) == ("ValueError", "no such order")
    assert (notice.failed_count, notice.suppressed, notice.attempt) == (1, 0, 1)


async def test_what_is_sent_holds_neither_tracebacks_nor_payloads() -> None:
    told = Told()
    async with build(None, on_failure=(told,)) as orchestrator:
        run_id = await run(orchestrator, body="acme", tags={"batch": "7"})
        [notice] = await told.until(1)

    sent: Any = notice.to_json()
    assert sent == {
        "event": "run.ended",
        "run": {
            "id": str(run_id),
            "flowId": str(FLOW_ID),
            "flow": "Tested",
            "version": "1",
            "status": "Failed",
            "trigger": "manual",
            "startedAt": notice.run.started_at.isoformat(),
            "endedAt": notice.run.ended_at.isoformat() if notice.run.ended_at else None,
            "parentRunId": None,
            "tags": {"tenant": "acme", "batch": "7"},
        },
        "error": "step 's1' failed: no such order",
        "failedSteps": [
            {
                "key": "s1",
                "type": "Fail",
                "attempt": 1,
                "error": {"type": "ValueError", "message": "no such order"},
                "endedAt": sent["failedSteps"][0]["endedAt"],
            }
        ],
        "failedCount": 1,
        "suppressed": 0,
        "link": None,
        "attempt": 1,
    }


@pytest.mark.real_time
async def test_functions_and_other_callables_are_notifiers_async_or_not() -> None:
    heard: list[str] = []

    def plain(notice: FailureNotice) -> None:
        heard.append("plain")

    async def coroutine(notice: FailureNotice, word: str = "coroutine") -> None:
        heard.append(word)

    notifiers = (plain, coroutine, partial(coroutine, word="partial"), lambda notice: coroutine(notice, "lambda"))
    async with build(None, on_failure=notifiers) as orchestrator:
        await run(orchestrator)

    assert sorted(heard) == ["coroutine", "lambda", "partial", "plain"]


async def test_a_run_whose_time_is_up_is_told_of() -> None:
    told = Told()
    waits = flow_of({"wait": Step(type="WaitForSignal", inputs={"signalName": "go"})}, timeout_seconds=60)
    async with build(None, waits, on_failure=(told,)) as orchestrator:
        await run(orchestrator)
        [notice] = await told.until(1)

    assert (notice.run.status, list(notice.failed_steps)) == (RunStatus.TIMED_OUT, [])
    assert notice.error == "the time limit of the flow, 60 seconds, is over"


@pytest.mark.parametrize(
    ("statuses", "expected"), [({}, []), ({"statuses": [RunStatus.CANCELLED]}, [RunStatus.CANCELLED])]
)
async def test_only_the_ends_that_were_asked_for_are_told(statuses: dict[str, Any], expected: list[RunStatus]) -> None:
    told = Told()
    steps = flow_of({"wait": Step(type="WaitForSignal", inputs={"signalName": "go"})})
    async with build(None, steps, on_failure=(told,), **statuses) as orchestrator:
        for signal in (True, False):
            handle = await orchestrator.trigger(FLOW_ID)
            await (handle.signal("go") if signal else handle.cancel("enough"))
            await handle.wait(100)

    assert [notice.run.status for notice in told.notices] == expected


async def test_only_the_flows_that_were_asked_for_are_told() -> None:
    told = Told()
    other = FlowDefinition(id=UUID(int=8), name="Other", manifest=FlowManifest(steps=chain("Fail")))
    async with build(None, FAILS, other, on_failure=(told,), flows=["Other"]) as orchestrator:
        await run(orchestrator)
        await run(orchestrator, "Other")

    assert [notice.flow_name for notice in told.notices] == ["Other"]


async def test_a_run_that_fails_for_its_child_is_told_of_as_the_child_is() -> None:
    told = Told()
    parent = FlowDefinition(
        id=UUID(int=8),
        name="Parent",
        manifest=FlowManifest(steps={"call": Step(type="RunFlow", inputs={"flow": "Tested"})}),
    )
    async with build(None, FAILS, parent, on_failure=(told,)) as orchestrator:
        await run(orchestrator, "Parent")
        await told.until(2)

    child, above = sorted(told.notices, key=lambda notice: notice.flow_name == "Parent")
    assert child.run.parent_run_id == above.run.id
    assert [(step.key, step.error_type) for step in above.failed_steps] == [("call", "ChildFailed")]


async def test_the_step_that_has_failed_comes_before_the_blocks_around_it_and_only_twenty_are_told() -> None:
    told = Told()
    steps = {"loop": ForEach(for_each=list(range(30)), concurrency_limit=30, steps={"s": Step(type="Fail")})}
    async with build(None, flow_of(steps), on_failure=(told,)) as orchestrator:
        await run(orchestrator)
        [notice] = await told.until(1)

    assert (len(notice.failed_steps), notice.failed_count) == (20, 31)
    assert notice.failed_steps[0].key.startswith("loop.")


async def test_a_notice_that_fails_is_sent_again_with_pauses_that_grow() -> None:
    told = Told(failures=3)
    async with build(None, on_failure=(told,)) as orchestrator:
        await run(orchestrator)
        await told.until(4)
        await asyncio.sleep(5000)

    assert [notice.attempt for notice in told.notices] == [1, 2, 3, 4]
    pauses = [after - before for before, after in zip(told.at, told.at[1:], strict=False)]
    for pause, longest in zip(pauses, (5, 10, 20), strict=True):
        assert 0.8 * longest <= pause <= longest + 0.1


async def test_a_notice_that_fails_too_often_is_given_up_with_an_error_in_the_log() -> None:
    told = Told(failures=99)
    with capture_logs() as logs:
        async with build(None, on_failure=(told,), settings={"max_notice_tries": 3}) as orchestrator:
            run_id = await run(orchestrator)
            await asyncio.sleep(5000)

    assert len(told.notices) == 3
    assert [(log["log_level"], log["run_id"]) for log in logs if log["event"] == "notice_given_up"] == [
        ("error", str(run_id))
    ]


async def test_who_has_been_told_is_not_told_again_because_another_one_could_not_be() -> None:
    first, second = Told(), Told(failures=2)
    async with build(None, on_failure=(first, second)) as orchestrator:
        await run(orchestrator)
        await second.until(3)

    assert len(first.notices) == 1


@pytest.mark.parametrize("is_stubborn", [False, True])
async def test_a_notifier_that_hangs_harms_nobody_else(is_stubborn: bool) -> None:
    told, release = Told(), asyncio.Event()

    async def hang(notice: FailureNotice) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                if not is_stubborn:
                    raise

    async with build(None, on_failure=(hang, told), settings={"notice_timeout_seconds": 3}) as orchestrator:
        for _ in range(3):
            await run(orchestrator)
        await told.until(3)
        assert seconds() < 60
        release.set()


async def test_beyond_the_throttle_notices_are_left_out_and_counted_in_the_next_one() -> None:
    told = Told()
    other = FlowDefinition(id=UUID(int=8), name="Other", manifest=FlowManifest(steps=chain("Fail")))
    throttle = Throttle(2, timedelta(minutes=10))
    async with build(None, FAILS, other, on_failure=(told,), throttle=throttle) as orchestrator:
        for _ in range(5):
            await run(orchestrator)
            await asyncio.sleep(1)
        await run(orchestrator, "Other")
        await asyncio.sleep(700)
        await run(orchestrator)
        await told.until(4)

    assert [(notice.flow_name, notice.suppressed) for notice in told.notices] == [
        ("Tested", 0),
        ("Tested", 0),
        ("Other", 0),
        ("Tested", 3),
    ]


async def test_what_was_left_out_is_counted_until_a_notice_has_arrived() -> None:
    told = Told()
    async with build(None, on_failure=(told,), throttle=Throttle(1, 60)) as orchestrator:
        for _ in range(3):
            await run(orchestrator)
            await asyncio.sleep(1)
        told.failures = 2
        await asyncio.sleep(60)
        await run(orchestrator)
        await told.until(3)

    assert [(notice.attempt, notice.suppressed) for notice in told.notices] == [(1, 0), (1, 2), (2, 2)]


async def test_of_two_processes_one_tells_of_each_run() -> None:
    told, store = Told(), SharedMemory(clock())
    async with build(store, on_failure=(told,)) as first, build(store, on_failure=(told,)) as second:
        runs = [await run(orchestrator) for orchestrator in (first, second) * 10]
        await told.until(20)
        await asyncio.sleep(1000)

    assert sorted(notice.run.id for notice in told.notices) == sorted(runs)


WAITS = flow_of({"wait": Step(type="WaitForSignal", inputs={"signalName": "go"})})
CANCELLED: dict[str, Any] = {"statuses": [RunStatus.CANCELLED]}


async def ended_by_a_process_that_tells_nobody(store: Storage) -> UUID:
    """A run whose end is to be told of, by a process that does no work, and is no more."""
    client = build(store, WAITS, on_failure=(Told(),), **CANCELLED)
    await client.start(work=False)
    handle = await client.trigger(FLOW_ID)
    await handle.cancel()
    await client.stop()
    return handle.run_id


async def test_a_process_that_dies_before_it_tells_leaves_it_to_another_one() -> None:
    told, store = Told(), SharedMemory(clock())
    run_id = await ended_by_a_process_that_tells_nobody(store)
    async with build(store, WAITS):  # it has nobody to tell, and leaves the mark alone
        await asyncio.sleep(1000)

    async with build(store, WAITS, on_failure=(told,), **CANCELLED):
        [notice] = await told.until(1)

    assert notice.run.id == run_id


async def test_a_process_that_dies_while_it_tells_leaves_it_to_another_one() -> None:
    told, store = Told(), SharedMemory(clock())
    await ended_by_a_process_that_tells_nobody(store)
    [mark] = (await store.due_notices(clock().now(), 10, frozenset({FLOW_ID}))).due
    await store.move_notice(mark.run_id, mark.at, mark.at + timedelta(seconds=40), 1)

    async with build(store, WAITS, on_failure=(told,), **CANCELLED):
        [notice] = await told.until(1)

    assert 40 <= told.at[0] <= 41
    assert notice.attempt == 2


async def test_a_run_that_goes_on_again_is_told_of_no_more() -> None:
    broken = [True]

    async def mended() -> None:
        if broken:
            raise ValueError("broken")

    told = Told(failures=9)
    async with build(None, on_failure=(told,), handlers={"Fail": mended}) as orchestrator:
        handle = await orchestrator.trigger(FLOW_ID)
        await handle.wait(100)
        await told.until(2)
        broken.clear()
        await handle.retry("s1")
        assert (await handle.wait(100)).succeeded
        await asyncio.sleep(5000)

    assert len(told.notices) == 2


async def test_a_run_that_fails_once_more_after_a_retry_is_told_of_once_more() -> None:
    told = Told()
    async with build(None, on_failure=(told,)) as orchestrator:
        handle = await orchestrator.trigger(FLOW_ID)
        await handle.wait(100)
        await told.until(1)
        await handle.retry("s1")
        await told.until(2)

    assert [notice.failed_steps[0].attempt for notice in told.notices] == [1, 2]
    assert [notice.attempt for notice in told.notices] == [1, 1]


async def test_a_retry_that_fails_at_once_is_a_new_end() -> None:
    told = Told()
    no_list = flow_of({"loop": ForEach(for_each="@triggerBody()", steps={"s": Step(type="Work")})})
    async with build(None, no_list, on_failure=(told,)) as orchestrator:
        handle = await orchestrator.trigger(FLOW_ID, body=7)
        await told.until(1)
        await asyncio.sleep(1)
        await handle.retry("loop")
        await told.until(2)

    assert [notice.run.id for notice in told.notices] == [handle.run_id] * 2
    assert told.notices[0].run.ended_at != told.notices[1].run.ended_at


async def test_a_process_tells_what_it_has_to_before_it_stops() -> None:
    told = Told()
    async with build(None, on_failure=(told,)) as orchestrator:
        await run(orchestrator)

    assert len(told.notices) == 1


BAD_CHOICES: list[tuple[Any, dict[str, Any], str]] = [
    ("no callable", {}, "cannot be called"),
    (print, {"flows": ["Tsted"]}, "Tested"),
    (print, {"flows": "Tested"}, r"flows=\['Tested'\]"),
    (print, {"statuses": []}, "got nothing"),
    (print, {"statuses": [RunStatus.RUNNING]}, "got Running"),
    (print, {"statuses": ["Faild"]}, "did you mean 'Failed'"),
    (print, {"flows": []}, "flows is empty"),
    (print, {"throttle": 5}, "write Throttle"),
    (print, {"link": "https://ops.example/{run}"}, "run_id"),
]


@pytest.mark.parametrize(("notifier", "options", "message"), BAD_CHOICES)
async def test_what_makes_no_sense_is_refused(notifier: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(None, on_failure=(notifier,), **options)


@pytest.mark.parametrize(
    ("limit", "period"), [(0, 60), (1, 0), (1, timedelta(0)), (1.5, 60), ("5", 60), (True, 60), (1, float("nan"))]
)
def test_a_throttle_that_makes_no_sense_is_refused(limit: Any, period: Any) -> None:
    with pytest.raises(ConfigurationError, match="Throttle"):
        Throttle(limit, period)
