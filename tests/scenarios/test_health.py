"""How everything is, asked on every storage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from floworch import CronTrigger, FlowManifest, FlowOrchestrator, Limit, Step
from floworch.core.explain.health import Health, HealthCode, HealthStatus
from floworch.core.ports.storage import Batch, Claim, Outcome
from tests.contracts.storage.backends import Backend
from tests.scenarios.conftest import Start
from tests.scenarios.world import HANDLERS, World, flow_of

ECHO = FlowManifest(steps={"a": Step(type="Echo")})


@asynccontextmanager
async def idle(backend: Backend, manifest: FlowManifest, **settings: Any) -> AsyncIterator[FlowOrchestrator]:
    """A process that asks, on a store where nobody works."""
    builder = FlowOrchestrator.builder().use_storage(backend.make).use_asyncio_runtime().add_service(World())
    builder.add_flow(flow_of(manifest)).add_handlers(*HANDLERS).configure(**settings)
    orchestrator = builder.build()
    await orchestrator.start(work=False)
    try:
        yield orchestrator
    finally:
        await orchestrator.stop()


async def until_told(orchestrator: FlowOrchestrator, code: HealthCode) -> Health:
    async with asyncio.timeout(30):
        while True:
            health = await orchestrator.health()
            if code in {reason.code for reason in health.reasons}:
                return health
            await asyncio.sleep(0.01)


async def test_a_process_that_works_is_healthy(start: Start) -> None:
    trigger = CronTrigger(cron_expression="0 3 * * *")
    orchestrator = await start(FlowManifest(triggers={"nightly": trigger}, steps=ECHO.steps))
    await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    health = await orchestrator.health()

    assert (health.status, list(health.reasons)) == (HealthStatus.HEALTHY, [])


async def test_steps_that_nobody_takes_are_told(backend: Backend) -> None:
    async with idle(backend, ECHO, ready_grace_seconds=0.01) as orchestrator:
        handle = await orchestrator.trigger("Scenario")

        health = await until_told(orchestrator, HealthCode.STEPS)

    [reason] = health.reasons
    assert health.status is HealthStatus.DEGRADED
    assert "no process runs any step" in reason.sentence
    assert reason.details["first"] == [{"runId": str(handle.run_id), "stepKey": "a", "type": "Echo"}]
    assert (await orchestrator.health()).status is HealthStatus.UNHEALTHY  # stopped by now


async def test_steps_that_are_not_ready_for_long_are_nothing_to_tell(backend: Backend) -> None:
    async with idle(backend, ECHO) as orchestrator:
        await orchestrator.trigger("Scenario")

        assert (await orchestrator.health()).is_healthy


async def test_timers_and_deadlines_that_nobody_acts_on_are_told(backend: Backend) -> None:
    wait = Step(type="WaitForSignal", inputs={"signalName": "go", "timeoutSeconds": 0.01})
    async with idle(backend, FlowManifest(steps={"a": wait}), ready_grace_seconds=0.01) as orchestrator:
        await orchestrator.trigger("Scenario", timeout=timedelta(milliseconds=10))

        await until_told(orchestrator, HealthCode.TIMERS)
        health = await until_told(orchestrator, HealthCode.DEADLINES)

    assert {reason.code for reason in health.reasons} == {HealthCode.TIMERS, HealthCode.DEADLINES}
    assert all(reason.details["lagSeconds"] for reason in health.reasons)


async def test_a_lease_that_nobody_acts_on_is_told(backend: Backend) -> None:
    async with idle(backend, ECHO, ready_grace_seconds=0.01) as orchestrator:
        run_id = (await orchestrator.trigger("Scenario")).run_id
        claim = Claim(run_id, "a", 0, "dead", lease_seconds=0.01, at=datetime.now(UTC))
        assert (await orchestrator.storage.commit(Batch(claims=[claim]))).claims == [Outcome.DONE]

        health = await until_told(orchestrator, HealthCode.LEASES)

    assert health.reasons[0].details["first"] == [{"runId": str(run_id), "stepKey": "a", "worker": "dead"}]


async def test_what_a_limit_holds_back_is_nothing_to_tell(start: Start, world: World) -> None:
    manifest = FlowManifest(steps={"a": Step(type="Gate")}, limit=Limit(concurrency=1))
    orchestrator = await start(manifest, ready_grace_seconds=0.01)
    runs = [await orchestrator.trigger("Scenario") for _ in range(2)]
    await world.until_reached("a")

    health = await orchestrator.health()

    assert health.is_healthy
    world.open_gate("a")
    for run in runs:
        await run.wait(timeout=30)


async def test_a_late_schedule_is_told_in_health_and_in_explain(start: Start, backend: Backend) -> None:
    trigger = CronTrigger(cron_expression="* * * * * *")
    manifest = FlowManifest(triggers={"often": trigger}, steps=ECHO.steps)
    first = await start(manifest)
    if not first.storage.capabilities.survives_restart:
        pytest.skip(f"{backend.name} does not survive a restart")
    await first.stop()

    async with idle(backend, manifest, schedule_grace_seconds=0.01) as orchestrator:
        health = await until_told(orchestrator, HealthCode.SCHEDULES)
        told = await orchestrator.schedules.explain("Scenario", "often")

    [reason] = health.reasons
    assert reason.details["first"] == [{"flow": "Scenario", "trigger": "often"}]
    assert told.status == "Late"
