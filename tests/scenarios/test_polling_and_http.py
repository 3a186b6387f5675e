"""Steps that poll, and steps that send requests, on every storage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from floworch import (
    FlowManifest,
    FlowOrchestrator,
    RetryPolicy,
    RunStatus,
    Step,
    StepContext,
    StepStatus,
    polling_handler,
)
from floworch.core.machine.history import fold
from tests.contracts.storage.backends import Backend
from tests.scenarios.world import HANDLERS, World, flow_of
from tests.servers.http import Answer, Asked, Server, serving

Start = Callable[..., Any]
TOKEN = "t0ken-of-the-api"


@polling_handler("Check")
async def check(ctx: StepContext, ready_at: int) -> Any:
    """Ready at that poll; the gate is where a test stops it."""
    world = ctx.service(World)
    world.enter(ctx.step_key)
    if ctx.step_key in world.broken:
        raise ConnectionError("no answer")
    return {"ready": ctx.poll_number >= ready_at, "poll": ctx.poll_number}


@pytest.fixture
async def start(backend: Backend, world: World) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start_one(steps: dict[str, Step], **settings: Any) -> FlowOrchestrator:
            builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime(concurrency=4)
            builder.add_flow(flow_of(FlowManifest(steps=steps))).add_handlers(*HANDLERS, check).add_service(world)
            settings = {"poll_interval_seconds": 0.05, "drain_seconds": 0.1} | settings
            return await stack.enter_async_context(builder.configure(**settings).build())

        yield start_one


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def polled(ready_at: int, **settings: Any) -> Step:
    inputs = {"ready_at": ready_at, "pollIntervalSeconds": 1, "pollConditionPath": "ready", **settings}
    return Step(type="Check", inputs=inputs, retry=RetryPolicy(max_attempts=2, initial=0.02))


async def test_a_step_waits_for_what_it_polls(start: Start) -> None:
    read = Step(type="Echo", run_after=["a"], inputs={"value": "@steps('a').output.poll"})
    orchestrator = await start({"a": polled(2), "b": read})

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.succeeded
    assert result.steps["b"].output == 2
    assert result.steps["a"].progress == {"kind": "poll", "polls": 1}
    assert result.attempts["a"] == 2
    events = [event async for event in orchestrator.events(result.run_id, follow=False)]
    folded = fold([{"type": event.type, "step": event.step_key, **event.data} for event in events])
    assert folded.steps == {key: (step.status, step.attempt) for key, step in result.steps.items()}


async def test_a_wait_is_taken_over_by_the_next_process(start: Start, world: World) -> None:
    first = await start({"a": polled(2)})
    if not first.storage.capabilities.survives_restart:
        pytest.skip("what it holds is lost with the process")
    handle = await first.trigger("Scenario")
    while (await first.get_run(handle.run_id)).steps["a"].status is not StepStatus.PENDING:
        await first._clock.wait(world._gates["never"], 0.02)
    waiting = (await first.get_run(handle.run_id)).steps["a"]
    await first.stop()
    second = await start({"a": polled(2)})

    result = await second.handle(handle.run_id).wait(timeout=30)

    assert waiting.output == {"ready": False, "poll": 1}
    assert result.succeeded
    assert result.steps["a"].output == {"ready": True, "poll": 2}


async def test_a_poll_that_fails_counts_as_a_failure_and_a_retry_by_hand_begins_anew(
    start: Start, world: World
) -> None:
    orchestrator = await start({"a": polled(1)})
    world.broken.add("a")
    handle = await orchestrator.trigger("Scenario")

    failed = await handle.wait(timeout=30)
    world.broken.clear()
    await handle.retry("a")
    result = await handle.wait(timeout=30)

    assert failed.attempts["a"] == 2
    assert failed.steps["a"].error is not None
    assert failed.steps["a"].error["type"] == "ConnectionError"
    assert result.succeeded
    assert result.steps["a"].output == {"ready": True, "poll": 1}


async def test_a_cancelled_run_asks_no_more(start: Start, world: World) -> None:
    orchestrator = await start({"a": polled(9)})
    handle = await orchestrator.trigger("Scenario")
    while (await orchestrator.get_run(handle.run_id)).steps["a"].status is not StepStatus.PENDING:
        await orchestrator._clock.wait(world._gates["never"], 0.02)

    await handle.cancel()
    result = await handle.wait(timeout=30)

    assert result.status is RunStatus.CANCELLED
    assert result.steps["a"].status is StepStatus.SKIPPED
    assert world.calls["a"] == 1


async def test_a_request_is_sent_again_when_the_server_says_so(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)

    def answer(asked: Asked) -> Answer:
        if len(server.asked) == 1:
            return Answer(503, f"{asked.headers['authorization']} is unlucky".encode(), {"Retry-After": "1"})
        return Answer(200, json.dumps({"order": 7, "for": asked.headers["authorization"]}).encode())

    server.answer = answer
    inputs = {
        "method": "POST",
        "url": f"{server.url}/orders?key=@{{env('API_TOKEN')}}",
        "headers": {"Authorization": "Bearer @{env('API_TOKEN')}"},
        "body": {"customer": "@triggerBody().customer"},
    }
    send = Step(type="HttpRequest", inputs=inputs, retry=RetryPolicy(max_attempts=2, initial=0.01, jitter=False))
    read = Step(type="Echo", run_after=["send"], inputs={"value": "@steps('send').output.body.order"})
    orchestrator = await start({"send": send, "read": read})

    result = await (await orchestrator.trigger("Scenario", body={"customer": "c-1"})).wait(timeout=30)

    assert result.succeeded
    assert result.steps["read"].output == 7
    assert result.duration is not None
    assert result.duration.total_seconds() >= 1
    first, second = server.asked
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == f"{result.run_id}:send"
    assert second.headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(second.body) == {"customer": "c-1"}
    stored = await orchestrator.get_run(result.run_id)
    events = [event async for event in orchestrator.events(result.run_id, follow=False)]
    assert TOKEN not in repr((result.steps, stored.steps, events))
    assert stored.steps["send"].input["headers"] == {"Authorization": "Bearer ***API_TOKEN***"}
    assert [event.data["error"]["type"] for event in events if event.type == "step.attempt_failed"] == ["HttpStatus"]
