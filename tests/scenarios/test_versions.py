"""New versions of a flow while runs are under way: they keep theirs, or are migrated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, ForEach, RunStatus, Step, StepStatus
from floworch.core.model.records import FlowRecord
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, Capabilities, Storage
from floworch.errors import ConfigurationError, ManifestNotUnderstood, NotFound
from floworch.storage.memory import MemoryStorage
from tests.contracts.storage.backends import Backend
from tests.contracts.storage.builders import creation, insert, state
from tests.scenarios.world import FLOW_ID, HANDLERS, World

Deploy = Callable[..., Any]


class _SharedMemory(MemoryStorage):
    """For several processes of one event loop."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, shared_between_processes=True)


@pytest.fixture
async def deploy(backend: Backend, world: World) -> AsyncIterator[Deploy]:
    """Start a process with a version of the flow. All of them share the database, and are stopped at the end."""
    memory: list[Storage] = []

    def storage(clock: Clock) -> Storage:
        if backend.name != "memory":
            return backend.make(clock)
        memory[:] = memory or [_SharedMemory(clock)]
        return memory[0]

    async with AsyncExitStack() as stack:

        async def deploy_one(label: str, steps: dict[str, Any], *, work: bool = True) -> FlowOrchestrator:
            flow = FlowDefinition(id=FLOW_ID, name="Scenario", version=label, manifest=FlowManifest(steps=steps))
            builder = FlowOrchestrator.builder().use_storage(storage).use_asyncio_runtime(concurrency=4)
            builder.add_flow(flow).add_handlers(*HANDLERS).add_service(world)
            settings = {"poll_interval_seconds": 0.05, "cancel_grace_seconds": 0.05, "drain_seconds": 0.1}
            process = builder.configure(**settings).build()
            await process.start(work=work)
            stack.push_async_callback(process.stop)
            return process

        yield deploy_one


def echo(value: Any, *after: str) -> Step:
    return Step(type="Echo", run_after=list(after), inputs={"value": value})


GATE = Step(type="Gate")
OLD = {"gate": GATE, "tell": echo("old", "gate")}
NEW = {"gate": GATE, "tell": echo("new", "gate"), "also": echo("extra", "gate")}


async def start_and_reach_the_gate(process: FlowOrchestrator, world: World) -> UUID:
    run = await process.trigger("Scenario")
    await world.until_reached("gate")
    return run.run_id


async def test_a_run_keeps_its_version_whatever_is_deployed(deploy: Deploy, world: World) -> None:
    run_id = await start_and_reach_the_gate(await deploy("1.0", OLD), world)
    newer = await deploy("2.0", NEW)
    world.open_gate("gate")
    result = await newer.wait(run_id, timeout=20)
    assert (result.status, result.steps["tell"].output, result.run.flow_version) == (RunStatus.SUCCEEDED, "old", "1.0")
    assert "also" not in result.steps


async def test_a_migrated_run_goes_on_by_the_new_version_in_every_process(deploy: Deploy, world: World) -> None:
    older = await deploy("1.0", OLD)
    run_id = await start_and_reach_the_gate(older, world)
    newer = await deploy("2.0", NEW)

    report = await newer.versions.migrate(run_id, by="ann")

    assert (report.migrated, report.refused) == ((run_id,), {})
    world.open_gate("gate")  # the older process ends the step, and what follows is decided by the new version
    result = await older.wait(run_id, timeout=20)
    assert {key: step.output for key, step in result.steps.items() if key != "gate"} == {"tell": "new", "also": "extra"}
    assert result.run.flow_version == "2.0"
    [event] = [event async for event in newer.events(run_id, follow=False) if event.type == "run.migrated"]
    assert (event.data["by"], event.data["version"]) == ("ann", "2.0")


async def test_a_new_step_without_dependencies_runs_in_a_migrated_run(deploy: Deploy, world: World) -> None:
    run_id = await start_and_reach_the_gate(await deploy("1.0", OLD), world)
    newer = await deploy("2.0", {**OLD, "new": echo("at once")})
    await newer.versions.migrate(run_id)
    world.open_gate("gate")
    assert (await newer.wait(run_id, timeout=20)).steps["new"].output == "at once"


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(deploy: Deploy, world: World) -> None:
    older = await deploy("1.0", OLD)
    fits, misfit = await older.trigger("Scenario"), await older.trigger("Scenario")
    await world.until_reached("gate")
    newer = await deploy("2.0", NEW)
    report = await newer.versions.migrate([fits.run_id, misfit.run_id, UUID(int=5)], dry_run=True)
    assert report.is_dry_run
    assert set(report.migrated) == {fits.run_id, misfit.run_id}
    assert list(report.refused.values()) == [(f"there is no run {UUID(int=5)}",)]
    world.open_gate("gate")
    assert (await newer.wait(fits.run_id, timeout=20)).steps["tell"].output == "old"


async def test_what_does_not_fit_is_refused_with_every_reason_and_stays_as_it_is(deploy: Deploy, world: World) -> None:
    older = await deploy("1.0", {**OLD, "other": Step(type="Gate")})
    run_id = await start_and_reach_the_gate(older, world)
    await world.until_reached("other")
    newer = await deploy("2.0", {"gate": echo("no gate")})
    report = await newer.versions.migrate(run_id)
    assert report.refused == {
        run_id: (
            "'gate' has begun as Gate, and is Echo in the other version",
            "'other' has begun, and the other version has no such step",
        )
    }
    world.open_gate("gate")
    world.open_gate("other")
    assert (await newer.wait(run_id, timeout=20)).steps["tell"].output == "old"


async def test_all_runs_of_a_flow_are_migrated_and_those_that_have_ended_are_not(deploy: Deploy, world: World) -> None:
    older = await deploy("1.0", OLD)
    world.open_gate("gate")
    ended = await older.trigger("Scenario")
    await ended.wait(20)
    world.close_gate("gate")
    live = [await older.trigger("Scenario") for _ in range(5)]
    newer = await deploy("2.0", NEW)
    assert [(each.version, each.live_runs) for each in await newer.versions.list("Scenario")] == [
        ("1.0", 5),
        ("2.0", 0),
    ]

    report = await newer.versions.migrate(flow="Scenario")

    assert set(report.migrated) == {run.run_id for run in live}
    assert [(each.version, each.live_runs) for each in await newer.versions.list("Scenario")] == [
        ("1.0", 0),
        ("2.0", 5),
    ]
    again = await newer.versions.migrate([run.run_id for run in live])
    assert (again.migrated, again.refused, set(again.up_to_date)) == ((), {}, {run.run_id for run in live})
    in_bulk = await newer.select(flow="Scenario").migrate()
    assert (in_bulk.done, in_bulk.unchanged, set(in_bulk.refused)) == (0, 5, {ended.run_id})
    world.open_gate("gate")
    for run in live:
        assert (await run.wait(20)).steps["tell"].output == "new"


async def test_a_run_can_be_moved_back_by_the_beginning_of_a_hash(deploy: Deploy, world: World) -> None:
    run_id = await start_and_reach_the_gate(await deploy("1.0", OLD), world)
    newer = await deploy("2.0", NEW)
    await newer.versions.migrate(run_id)
    first = (await newer.versions.list("Scenario"))[0].manifest_hash
    assert (await newer.versions.migrate(run_id, to=first[:10])).migrated == (run_id,)
    world.open_gate("gate")
    result = await newer.wait(run_id, timeout=20)
    assert (result.steps["tell"].output, result.run.flow_version) == ("old", "1.0")


async def test_a_loop_under_way_goes_on_by_the_new_version(deploy: Deploy, world: World) -> None:
    def loop(value: str, limit: int) -> dict[str, Any]:
        body = {"gate": GATE, "tell": Step(type="Echo", run_after=["gate"], inputs={"value": value})}
        return {"loop": ForEach(for_each=[1, 2, 3], concurrency_limit=limit, steps=body)}

    older = await deploy("1.0", loop("old", 1))
    run = await older.trigger("Scenario")
    await world.until_reached("loop.0.gate")
    newer = await deploy("2.0", loop("new", 2))
    assert (await newer.versions.migrate(run.run_id)).migrated == (run.run_id,)
    for index in range(3):
        world.open_gate(f"loop.{index}.gate")
    assert (await newer.wait(run.run_id, timeout=20)).steps["loop"].output == ["new", "new", "new"]


async def test_versions_can_be_compared(deploy: Deploy) -> None:
    await deploy("1.0", OLD)
    newer = await deploy("2.0", NEW)
    [first, second] = await newer.versions.list("Scenario")
    found = await newer.versions.diff("Scenario", first.manifest_hash[:12])
    assert [change.path for change in found.changes] == ["steps.tell.inputs.value", "steps.also"]
    assert (await newer.versions.diff("Scenario", "latest", second.manifest_hash)).changes == ()
    with pytest.raises(NotFound, match="the flow 'Scenario' has no version with a hash that begins with 'zz'"):
        await newer.versions.diff("Scenario", "zz")


async def test_migrate_wants_runs_or_a_flow(deploy: Deploy) -> None:
    process = await deploy("1.0", OLD)
    for wrong in ({}, {"runs": UUID(int=1), "flow": "Scenario"}):
        with pytest.raises(ConfigurationError, match="runs or a flow"):
            await process.versions.migrate(**wrong)


async def test_a_run_of_a_version_that_cannot_be_read_is_left_to_newer_processes(deploy: Deploy) -> None:
    asker = await deploy("1.0", {"tell": echo("here")}, work=False)
    future = FlowRecord(FLOW_ID, "Scenario", "9.9", "hash-1", '{"steps":{"a":{"type":"Echo","inFuture":true}}}')
    await asker.storage.save_flows([future])
    strange = creation(1, flow_id=FLOW_ID, steps={"a": insert(state(), type="Echo")})
    await asker.storage.commit(Batch(creations=[strange]))
    usual = await asker.trigger("Scenario")

    worker = await deploy("1.0", {"tell": echo("here")})  # finds the steps of both, that of the strange run first

    assert (await usual.wait(20)).steps["tell"].output == "here"
    found = await worker.get_run(strange.run_id)
    assert (found.status, found.steps["a"].status, found.steps["a"].attempt) == (RunStatus.RUNNING, StepStatus.READY, 0)
    with pytest.raises(ManifestNotUnderstood, match="this one cannot read it"):
        await worker.cancel(strange.run_id)
    with pytest.raises(ManifestNotUnderstood):
        await worker.cancel(strange.run_id)


async def test_steps_of_older_versions_are_found_whatever_their_types_are_called_now(deploy: Deploy) -> None:
    asker = await deploy("1.0", {"tell": Step(type="ECHO", inputs={"value": "shouted"})}, work=False)
    run = await asker.trigger("Scenario")
    await deploy("2.0", {"tell": echo("spoken")})
    assert (await run.wait(20)).steps["tell"].output == "shouted"
