"""What a flow says about all of its runs and steps: tags and defaults, on every storage."""

from __future__ import annotations

from typing import Any

import pytest

from floworch import (
    ExpressionError,
    FlowManifest,
    FlowOrchestrator,
    ForEach,
    IntervalTrigger,
    InvalidTags,
    RetryPolicy,
    RunStatus,
    Scope,
    Step,
    StepDefaults,
)
from floworch.core.model.manifest import Compensation
from tests.scenarios.conftest import Start
from tests.scenarios.test_schedules import until
from tests.scenarios.world import World

QUICK = RetryPolicy(max_attempts=3, backoff="fixed", initial=0, jitter=False)
TENANT = {
    "tenant": "@triggerBody()?.tenant",
    "kind": "import",
    "size": "@triggerBody()?.size",
    "from": "@coalesce(triggerHeaders()['X-From'], 'nobody')",
}


def tagged(tags: dict[str, Any], **more: Any) -> FlowManifest:
    return FlowManifest(steps={"a": Step(type="Echo")}, tags=tags, **more)


async def found(orchestrator: FlowOrchestrator, **wanted: Any) -> list[Any]:
    return [run.id for run in (await orchestrator.list_runs(**wanted)).runs]


async def test_tags_come_from_the_manifest_and_the_trigger_which_wins(start: Start) -> None:
    orchestrator = await start(tagged(TENANT))

    run = await orchestrator.trigger(
        "Scenario",
        body={"tenant": "acme", "size": 3},
        headers={"X-From": "api"},
        tags={"kind": "trial", "batch": "7"},
    )
    ended = await run.wait(30)

    expected = {"tenant": "acme", "size": "3", "from": "api", "kind": "trial", "batch": "7"}
    assert ended.run.tags == expected
    assert (await run.result()).run.tags == expected
    assert await found(orchestrator, tags={"tenant": "acme", "batch": "7"}) == [run.run_id]
    assert await found(orchestrator, tags={"kind": "import"}) == []


async def test_a_tag_that_is_null_is_left_out(start: Start) -> None:
    orchestrator = await start(tagged(TENANT))

    ended = await (await orchestrator.trigger("Scenario")).wait(30)

    assert ended.run.tags == {"kind": "import", "from": "nobody"}


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ({"tenant": "x" * 201}, InvalidTags, "201 characters"),
        ({"tenant": ["acme"]}, InvalidTags, "'tenant' of the manifest must be text.*an array"),
        ({"tenant": "acme", "size": 1}, None, ""),
    ],
)
async def test_a_tag_that_cannot_be_kept_starts_no_run(
    start: Start, body: Any, error: type[Exception] | None, message: str
) -> None:
    orchestrator = await start(tagged({"tenant": "@triggerBody().tenant"}))

    if error is not None:
        with pytest.raises(error, match=message):
            await orchestrator.trigger("Scenario", body=body)
    else:
        await (await orchestrator.trigger("Scenario", body=body)).wait(30)

    assert len(await found(orchestrator)) == (error is None)


async def test_a_tag_that_cannot_be_evaluated_starts_no_run(start: Start) -> None:
    orchestrator = await start(tagged({"size": "@int(triggerBody())"}))

    with pytest.raises(ExpressionError):
        await orchestrator.trigger("Scenario", body="many")

    assert await found(orchestrator) == []


async def test_runs_of_ticks_have_the_tags_of_their_flow(start: Start) -> None:
    soon = IntervalTrigger(every=1, inputs={"tenant": "acme"})
    orchestrator = await start(
        tagged({"tenant": "@triggerBody().tenant", "by": "@trigger().key"}, triggers={"timed": soon})
    )

    async def is_there() -> bool:
        return bool(await found(orchestrator, tags={"tenant": "acme", "by": "timed"}))

    await until(is_there)


async def test_a_child_that_cannot_have_its_tags_fails_the_step(start: Start) -> None:
    orchestrator = await start(
        FlowManifest(
            steps={"again": Step(type="RunFlow", inputs={"flow": "Scenario", "body": ["acme"]}, retry=QUICK)},
            tags={"body": "@triggerBody()"},
        )
    )

    ended = await (await orchestrator.trigger("Scenario", body="first")).wait(30)

    assert ended.status is RunStatus.FAILED
    assert (ended.steps["again"].error or {})["type"] == "InvalidTags"
    assert ended.attempts == {"again": 1}


async def test_a_run_is_found_by_the_words_of_its_failure(start: Start, world: World) -> None:
    orchestrator = await start(tagged({}))
    await (await orchestrator.trigger("Scenario")).wait(30)
    world.broken.add("a")
    run = await orchestrator.trigger("Scenario")
    await run.wait(30)

    assert await found(orchestrator, error="IS BROKEN") == [run.run_id]
    assert await found(orchestrator, error="valueerror", status=RunStatus.FAILED) == [run.run_id]
    assert await found(orchestrator, error="is mended") == []


@pytest.mark.parametrize(
    ("own", "attempts"), [(None, 3), (RetryPolicy(max_attempts=1), 1)], ids=["the flow's", "its own"]
)
async def test_a_step_is_retried_as_it_says_or_else_as_its_flow_says(
    start: Start, own: RetryPolicy | None, attempts: int
) -> None:
    orchestrator = await start(
        FlowManifest(
            steps={"a": Step(type="FailsUntil", inputs={"attempt": 9}, retry=own)},
            defaults=StepDefaults(retry=QUICK),
        ),
        default_retry=RetryPolicy(max_attempts=5, initial=0),
    )

    ended = await (await orchestrator.trigger("Scenario")).wait(30)

    assert ended.attempts == {"a": attempts}


async def test_the_defaults_of_a_flow_hold_inside_blocks(start: Start) -> None:
    fails_twice = Step(type="FailsUntil", inputs={"attempt": 3})
    undo = Compensation(type="FailsUntil", inputs={"attempt": 2})
    charge = Step(type="Echo", compensate=undo)
    fail = Step(type="FailsUntil", run_after=["charge"], inputs={"attempt": 9})
    orchestrator = await start(
        FlowManifest(
            steps={
                "loop": ForEach(for_each=[1, 2], steps={"a": fails_twice}),
                "scope": Scope(steps={"charge": charge, "fail": fail}, catch={"log": fails_twice}),
            },
            defaults={"retry": QUICK},
        )
    )

    ended = await (await orchestrator.trigger("Scenario")).wait(30)

    assert ended.succeeded, ended.error
    tried = {key: ended.attempts[key] for key in ("loop.0.a", "loop.1.a", "scope.catch.log")}
    assert tried == {"loop.0.a": 3, "loop.1.a": 3, "scope.catch.log": 3}
    assert (ended.attempts["scope.steps.fail"], ended.attempts["scope.compensate.charge"]) == (3, 2)


async def test_a_step_may_take_as_long_as_its_flow_says(start: Start) -> None:
    orchestrator = await start(
        FlowManifest(steps={"a": Step(type="Gate")}, defaults=StepDefaults(timeout=0.05)), default_timeout_seconds=3600
    )

    ended = await (await orchestrator.trigger("Scenario")).wait(30)

    assert ended.steps["a"].error is not None
    assert ended.steps["a"].error["type"] == "Timeout"


async def test_a_child_that_fails_is_started_again_as_the_flow_of_its_step_says(start: Start, world: World) -> None:
    world.broken.add("work")
    orchestrator = await start(
        FlowManifest(
            steps={
                "call": Step(type="RunFlow", when="triggerBody() == null", inputs={"flow": "Scenario", "body": 1}),
                "work": Step(type="Echo", when="triggerBody() == 1"),
            },
            defaults={"retry": {"maxAttempts": 2, "initialSeconds": 0}},
        )
    )

    ended = await (await orchestrator.trigger("Scenario")).wait(30)

    assert ended.attempts["call"] == 2
    assert world.calls["work"] == 4
