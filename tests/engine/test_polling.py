"""Steps that ask again and again, on virtual time: when they ask, what they wait for, and what ends the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from floworch import (
    FlowValidationError,
    RetryPolicy,
    RunResult,
    RunStatus,
    Step,
    StepContext,
    StepResult,
    StepStatus,
    polling_handler,
)
from tests.engine.test_leases import one_store
from tests.engine.workbench import FLOW_ID, SharedMemory, orchestrator, running, seconds

EVERY_TEN = {"pollTimeoutSeconds": 100, "pollConditionPath": "state", "pollConditionEquals": "done"}


class Answers:
    """A polling handler that gives these answers, one per call, the last one for ever; exceptions are raised."""

    def __init__(self, *answers: Any) -> None:
        self._answers = answers
        self.asked_at: list[float] = []
        self.numbers: list[int] = []
        self.waited: list[float | None] = []

    async def __call__(self, ctx: StepContext, job: str = "") -> Any:
        self.asked_at.append(seconds())
        self.numbers.append(ctx.poll_number)
        since = ctx.first_started_at
        self.waited.append(None if since is None else (ctx.now - since).total_seconds())
        answer = self._answers[min(len(self.asked_at), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def polling(answers: Answers, **options: Any) -> Callable[..., Any]:
    async def check(ctx: StepContext, job: str = "") -> Any:
        return await answers(ctx, job)

    return polling_handler("Check", **options)(check)


async def poll(answers: Answers, inputs: dict[str, Any], *, retry: RetryPolicy | None = None) -> RunResult:
    steps = {"a": Step(type="Check", inputs=inputs, retry=retry)}
    async with running(steps, {"Check": polling(answers)}) as flows:
        return await (await flows.trigger(FLOW_ID, body={"wanted": "done", "pause": 3})).wait()


async def test_a_step_is_polled_until_its_result_is_what_it_waits_for() -> None:
    answers = Answers({"state": "new"}, {"state": "busy"}, {"state": "DONE", "id": 7})

    result = await poll(answers, EVERY_TEN)

    assert answers.asked_at == pytest.approx([0, 10, 20])
    assert answers.numbers == [1, 2, 3]
    assert answers.waited == [None, pytest.approx(10), pytest.approx(20)]
    assert result.steps["a"].output == {"state": "DONE", "id": 7}
    assert result.steps["a"].attempt == 3
    assert result.steps["a"].progress == {"kind": "poll", "polls": 2}


async def test_the_handler_does_not_see_the_settings() -> None:
    got: list[dict[str, Any]] = []

    @polling_handler("Check")
    async def check(**inputs: Any) -> bool:
        got.append(inputs)
        return True

    inputs = {"job": "j1", "pollIntervalSeconds": 5, "poll_timeout_seconds": 7, "pollution": "none"}
    async with running({"a": Step(type="Check", inputs=inputs)}, {"Check": check}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
    assert got == [{"job": "j1", "pollution": "none"}]
    assert result.steps["a"].input == {"job": "j1", "pollution": "none"}


@pytest.mark.parametrize("nothing", [None, False, 0, 0.0, "", [], {}])
async def test_without_a_condition_it_waits_for_a_result_that_is_something(nothing: Any) -> None:
    answers = Answers(nothing, [0])

    result = await poll(answers, {})

    assert len(answers.asked_at) == 2
    assert result.steps["a"].output == [0]


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("data.items.0.ready", {"data": {"items": [{"ready": True}]}}),
        ("data.items[1].ready", {"data": {"items": [0, {"ready": "yes"}]}}),
        ("0", [5]),
        ("7", {"7": "a property"}),
    ],
)
async def test_a_path_leads_to_what_must_be_something(path: str, result: Any) -> None:
    answers = Answers({}, [], "text", {"data": None}, result)

    assert (await poll(answers, {"pollConditionPath": path})).succeeded
    assert len(answers.asked_at) == 5


@pytest.mark.parametrize(
    ("wanted", "met", "not_met"),
    [
        ("ready", "READY", "readying"),
        (1, 1.0, 2),
        ("1.0", 1, "1"),
        (5, "5", "five"),
        (True, "True", False),
        ("", "", None),
        ([1, "A"], [1, "a"], [1]),
    ],
)
async def test_a_value_is_compared_as_text_without_case_and_numbers_by_value(
    wanted: Any, met: Any, not_met: Any
) -> None:
    answers = Answers({"v": not_met}, {"v": met})

    await poll(answers, {"pollConditionPath": "v", "pollConditionEquals": wanted})

    assert len(answers.asked_at) == 2


async def test_a_value_without_a_path_is_compared_with_the_whole_result() -> None:
    answers = Answers("busy", "done")

    await poll(answers, {"pollConditionEquals": "@triggerBody().wanted"})

    assert len(answers.asked_at) == 2


async def test_a_condition_reads_the_result_and_whatever_else_expressions_read() -> None:
    answers = Answers({"n": 1}, {"n": 4})
    steps = {
        "limit": Step(type="Echo"),
        "a": Step(
            type="Check",
            run_after=["limit"],
            inputs={"pollCondition": "@result().n > steps('limit').output && triggerBody().wanted == 'done'"},
        ),
    }

    async def echo() -> int:
        return 3

    async with running(steps, {"Check": polling(answers), "Echo": echo}) as flows:
        result = await (await flows.trigger(FLOW_ID, body={"wanted": "done"})).wait()
    assert result.succeeded
    assert answers.asked_at == pytest.approx([0, 10])


async def test_a_condition_that_cannot_be_evaluated_fails_the_step_at_once() -> None:
    answers = Answers({"n": "text"})

    result = await poll(answers, {"pollCondition": "@result().n > 3"}, retry=RetryPolicy(max_attempts=5))

    assert len(answers.asked_at) == 1
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "ExpressionError"


async def test_a_step_that_does_not_poll_succeeds_with_whatever_it_gets() -> None:
    answers = Answers(None)

    result = await poll(answers, {"pollEnabled": False})

    assert result.succeeded
    assert len(answers.asked_at) == 1


async def test_so_many_polls_are_made_at_least() -> None:
    answers = Answers({"state": "done"})

    await poll(answers, {**EVERY_TEN, "pollMinAttempts": 3})

    assert answers.asked_at == pytest.approx([0, 10, 20])


async def test_when_the_time_is_up_the_step_fails_after_one_last_poll() -> None:
    answers = Answers({"state": "busy"})

    result = await poll(answers, {**EVERY_TEN, "pollTimeoutSeconds": 25}, retry=RetryPolicy(max_attempts=5))

    assert answers.asked_at == pytest.approx([0, 10, 20, 25])
    assert result.status is RunStatus.FAILED
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "PollTimeout"
    assert result.steps["a"].reason == (
        'What the step waits for did not come within 25 seconds, in 4 polls. The last result was {"state":"busy"}'
    )


async def test_what_comes_with_the_last_poll_still_counts() -> None:
    answers = Answers(None, None, "at last")

    assert (await poll(answers, {"pollTimeoutSeconds": 20})).succeeded


async def test_pauses_grow_up_to_the_longest_one() -> None:
    answers = Answers(None)

    settings = {"pollBackoff": "exponential", "pollIntervalSeconds": 2, "pollMaxIntervalSeconds": 10}
    await poll(answers, {**settings, "pollTimeoutSeconds": 40})

    assert answers.asked_at == pytest.approx([0, 2, 6, 14, 24, 34, 40])


async def test_pauses_shorter_than_a_second_last_one() -> None:
    answers = Answers(None, None, 1)

    await poll(answers, {"pollIntervalSeconds": 0})

    assert answers.asked_at == pytest.approx([0, 1, 2])


async def test_jitter_shortens_pauses_by_a_part_of_them() -> None:
    answers = Answers(*[None] * 20, 1)

    await poll(answers, {"pollIntervalSeconds": 10, "pollJitter": 0.2, "pollTimeoutSeconds": 1000})

    pauses = [after - before for before, after in zip(answers.asked_at, answers.asked_at[1:], strict=False)]
    assert all(8 <= pause <= 10.001 for pause in pauses)
    assert len({round(pause, 3) for pause in pauses}) > 5


async def test_settings_may_be_expressions() -> None:
    answers = Answers(None, 1)

    await poll(answers, {"pollIntervalSeconds": "@triggerBody().pause"})

    assert answers.asked_at == pytest.approx([0, 3])


async def test_settings_that_turn_out_to_be_nonsense_fail_the_step() -> None:
    answers = Answers(None)

    result = await poll(answers, {"pollIntervalSeconds": "@triggerBody().wanted"})

    assert answers.asked_at == []
    assert result.steps["a"].reason == (
        "pollIntervalSeconds must be a number of seconds from 0 to 316224000 (ten years), got 'done'"
    )


async def test_failures_follow_the_retry_policy_and_the_time_runs_on() -> None:
    answers = Answers(ConnectionError("1"), None, ConnectionError("2"), ConnectionError("3"), None)

    retry = RetryPolicy(max_attempts=3, backoff="fixed", initial=2, jitter=False)
    result = await poll(answers, {"pollTimeoutSeconds": 30}, retry=retry)

    assert answers.asked_at == pytest.approx([0, 2, 12, 14, 16, 26, 30])
    assert answers.numbers == [1, 1, 2, 2, 2, 3, 4]
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "PollTimeout"


async def test_too_many_failures_in_a_row_fail_the_step() -> None:
    answers = Answers(None, ConnectionError("1"), ConnectionError("2"))

    retry = RetryPolicy(max_attempts=2, backoff="fixed", initial=2, jitter=False)
    result = await poll(answers, {"pollTimeoutSeconds": 300}, retry=retry)

    assert answers.asked_at == pytest.approx([0, 10, 12])
    assert result.steps["a"].reason == "2"


async def test_a_handler_may_say_itself_how_long_the_pause_is() -> None:
    answers = Answers(StepResult.deferred(33, {"eta": 33}), "done")

    await poll(answers, {"pollTimeoutSeconds": 100})

    assert answers.asked_at == pytest.approx([0, 33])
    assert answers.numbers == [1, 2]


async def test_a_handler_that_skips_its_step_is_not_asked_again() -> None:
    result = await poll(Answers(StepResult.skipped("no such job")), EVERY_TEN)

    assert result.steps["a"].status is StepStatus.SKIPPED


async def test_the_last_result_can_be_seen_while_the_step_waits() -> None:
    answers = Answers({"state": "busy", "percent": 40})
    async with running({"a": Step(type="Check", inputs=EVERY_TEN)}, {"Check": polling(answers)}) as flows:
        handle = await flows.trigger(FLOW_ID)
        await asyncio.sleep(5)
        waiting = (await flows.get_run(handle.run_id)).steps["a"]
        await handle.cancel()
        result = await handle.wait()

    assert waiting.status is StepStatus.PENDING
    assert waiting.output == {"state": "busy", "percent": 40}
    assert waiting.progress == {"kind": "poll", "polls": 1}
    assert result.status is RunStatus.CANCELLED
    assert result.steps["a"].status is StepStatus.SKIPPED
    assert answers.asked_at == [0]


async def test_a_retry_by_hand_starts_the_time_anew() -> None:
    answers = Answers(None)
    steps = {"a": Step(type="Check", inputs={"pollTimeoutSeconds": 10})}
    async with running(steps, {"Check": polling(answers)}) as flows:
        handle = await flows.trigger(FLOW_ID)
        await handle.wait()
        await asyncio.sleep(1000)
        await handle.retry("a")
        result = await handle.wait()

    assert answers.asked_at == pytest.approx([0, 10, 1010, 1020])
    assert answers.numbers == [1, 2, 1, 2]
    assert result.status is RunStatus.FAILED


async def test_a_poll_that_is_lost_with_its_worker_does_not_start_the_time_anew() -> None:
    """The first engine hangs in its first poll and sends no heartbeats; the second one takes the step over."""
    begun = asyncio.Event()

    @polling_handler("Check")
    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    answers = Answers(None)
    steps = {"a": Step(type="Check", inputs={"pollIntervalSeconds": 20, "pollTimeoutSeconds": 100})}
    store = one_store(SharedMemory)
    first = orchestrator(steps, {"Check": hang}, store=store, concurrency=1)
    second = orchestrator(steps, {"Check": polling(answers)}, store=store)
    await first.start()
    handle = await first.trigger(FLOW_ID)
    await begun.wait()
    first._engine._leases._stopping.set()  # no more heartbeats
    await second.start()
    result = await second.handle(handle.run_id).wait()
    await second.stop()
    await first.stop()

    assert answers.asked_at[0] >= 30
    assert answers.asked_at[-1] == pytest.approx(100, abs=0.5)
    assert result.steps["a"].error is not None
    assert result.steps["a"].error["type"] == "PollTimeout"


async def test_misspelt_settings_are_refused_at_registration() -> None:
    steps = {"a": Step(type="Check", inputs={"pollIntervall": 5})}
    with pytest.raises(FlowValidationError, match="Did you mean 'pollIntervalSeconds'"):
        orchestrator(steps, {"Check": polling(Answers())})
