"""Two releases of an application work on one database at once, as while one replaces the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from floworch import FlowOrchestrator, RunHandle, RunStatus, StepStatus
from floworch.core.model.records import RunRecord
from tests.chaos.deploy_app import CHANGED, NEW, OLD, build
from tests.chaos.processes import Worker, sleep

pytestmark = pytest.mark.chaos

TRIGGERS = 30
STEPS = {"old": {CHANGED: 3, OLD: 2}, "new": {CHANGED: 4, NEW: 2}}


@pytest.fixture
def start_release(database: str, start_worker: Callable[..., Worker]) -> Callable[[str, int], Worker]:
    return lambda release, triggers: start_worker(database, release, str(triggers), module="tests.chaos.deploy_app")


async def test_each_release_leaves_to_the_other_what_it_does_not_know(
    database: str, start_release: Callable[[str, int], Worker]
) -> None:
    workers = {release: start_release(release, TRIGGERS) for release in ("old", "new")}
    for worker in workers.values():
        worker.wait_for("triggered")
    client = build(database, "new")
    await client.start(work=False)
    try:
        runs = (await client.list_runs(limit=100)).runs
        assert len(runs) == 2 * TRIGGERS
        owners = [await _owners(client, run) for run in runs]
    finally:
        await client.stop()
    of_changed = {owner for run, owners_of_run in zip(runs, owners, strict=True) if run.flow_id == CHANGED
                  for owner in owners_of_run}  # fmt: skip
    assert of_changed == {"old release", "new release"}
    for worker in workers.values():
        worker.terminate()
        worker.finish()
        assert "[error" not in worker.printed


async def test_what_nobody_knows_waits_for_somebody_who_does(
    database: str, start_release: Callable[[str, int], Worker]
) -> None:
    """The old release has started two runs and is gone: its step type, and one of its flows, nobody knows any more."""
    old = build(database, "old")
    await old.start(work=False)
    changed, old_one = await old.trigger(CHANGED), await old.trigger(OLD)
    try:
        start_release("new", 1).wait_for("triggered")
        async for event in changed.events():
            if (event.type, event.step_key) == ("step.completed", "s0"):
                break
        sleep(1.0)
        assert await _statuses(changed) == {"s0": StepStatus.SUCCEEDED, "s1": StepStatus.READY}
        assert await _statuses(old_one) == {"s0": StepStatus.READY}
        start_release("old", 0)
        for run in (changed, old_one):
            assert (await run.wait(timeout=60)).status is RunStatus.SUCCEEDED
    finally:
        await old.stop()


async def _statuses(run: RunHandle) -> dict[str, StepStatus]:
    return {key: step.status for key, step in (await run.result()).steps.items()}


async def _owners(client: FlowOrchestrator, run: RunRecord) -> set[str]:
    """Who has run the steps of the run, which ends as it should by the manifest that it started with."""
    result = await client.wait(run.id, timeout=60)
    assert result.status is RunStatus.SUCCEEDED, result
    events = [event async for event in client.events(run.id)]
    owners = {event.step_key: event.data["worker"] for event in events if event.type == "step.started"}
    release = "new" if "NewOnly" in {step.type for step in result.steps.values()} or run.flow_id == NEW else "old"
    assert len(owners) == STEPS[release][run.flow_id]
    for key, step in result.steps.items():
        only = {"OldOnly": "old release", "NewOnly": "new release"}.get(step.type)
        assert only is None or owners[key] == only
    known_to_one = {OLD: {"old release"}, NEW: {"new release"}}.get(run.flow_id)
    assert known_to_one is None or set(owners.values()) == known_to_one
    return set(owners.values())
