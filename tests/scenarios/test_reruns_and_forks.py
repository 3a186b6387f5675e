"""Whole flows on every storage: runs that are run once more, from the start or from one of their steps."""

from __future__ import annotations

from uuid import UUID

import pytest

from floworch import (
    FlowManifest,
    FlowOrchestrator,
    FlowValidationError,
    ForEach,
    InvalidTransition,
    RunHandle,
    RunNotFound,
    RunResult,
    RunStatus,
    Scope,
    Step,
    StepNotFound,
    StepStatus,
    Until,
)
from floworch.core.machine.history import fold
from floworch.core.model.manifest import AnyStep
from floworch.errors import FlowDisabled
from tests.scenarios.conftest import Start
from tests.scenarios.world import World


def echo(value: object = None, *after: str, **more: object) -> Step:
    return Step(type="Echo", run_after=list(after), inputs={} if value is None else {"value": value}, **more)  # type: ignore[arg-type]


CHAIN = FlowManifest(
    steps={
        "load": echo("@triggerBody()?.n"),
        "double": echo("@steps('load').output", "load"),
        "beside": echo("unrelated"),
        "report": echo("@steps('double').output", "double", "beside"),
    }
)


async def ended(orchestrator: FlowOrchestrator, body: object = None) -> RunHandle:
    handle = await orchestrator.trigger("Scenario", body=body)
    await handle.wait(timeout=30)
    return handle


async def folds(handle: RunHandle, result: RunResult) -> bool:
    events = [event async for event in handle.events(follow=False)]
    folded = fold({"type": event.type, "step": event.step_key, **event.data} for event in events)
    steps = {key: (step.status, step.attempt) for key, step in result.steps.items()}
    return folded.status is result.status and folded.steps == steps


async def test_a_rerun_is_a_new_run_with_the_same_trigger(start: Start) -> None:
    orchestrator = await start(CHAIN)
    first = await orchestrator.trigger("Scenario", body={"n": 3}, headers={"h": "1"}, priority=4, timeout=500)
    await first.wait(timeout=30)

    again = await first.rerun(by="Ann")
    result = await again.wait(timeout=30)

    assert again.run_id != first.run_id
    assert result.output == 3
    assert result.run.source_run_id == first.run_id
    assert result.run.deadline is not None
    assert (result.run.deadline - result.run.started_at).total_seconds() == 500
    assert [run.id for run in (await orchestrator.list_runs(source=first.run_id)).runs] == [again.run_id]
    [started] = [event async for event in again.events(follow=False) if event.type == "run.started"]
    assert (started.data["rerun_of"], started.data["by"]) == (str(first.run_id), "Ann")


async def test_a_rerun_may_have_another_body_and_a_key(start: Start) -> None:
    orchestrator = await start(CHAIN)
    first = await ended(orchestrator, {"n": 3})

    again = await first.rerun(body={"n": 4}, idempotency_key="once")
    twice = await first.rerun(body={"n": 5}, idempotency_key="once")

    assert (await again.wait(timeout=30)).output == 4
    assert (twice.run_id, twice.duplicate) == (again.run_id, True)
    assert (await (await first.rerun(body=None)).wait(timeout=30)).output is None


async def test_a_rerun_has_the_version_of_its_source_or_the_latest(start: Start) -> None:
    old = await start(FlowManifest(steps={"a": echo("old")}))
    if not old.storage.capabilities.shared_between_processes:
        pytest.skip("no other orchestrator sees the runs")
    first = await ended(old)
    new = await start(FlowManifest(steps={"b": echo("new")}))

    same = await (await new.rerun(first.run_id)).wait(timeout=30)
    latest = await (await new.rerun(first.run_id, version="latest")).wait(timeout=30)

    assert (same.output, latest.output) == ("old", "new")
    assert same.run.manifest_hash == (await first.result()).run.manifest_hash


async def test_reruns_that_make_no_sense_are_refused(start: Start) -> None:
    orchestrator = await start(CHAIN)
    first = await ended(orchestrator)
    with pytest.raises(RunNotFound):
        await orchestrator.rerun(UUID(int=7))
    with pytest.raises(RunNotFound):
        await orchestrator.fork(UUID(int=7), "load")
    with pytest.raises(StepNotFound, match="no step 'lod'"):
        await first.fork("lod")

    await orchestrator.disable_flow("Scenario")
    with pytest.raises(FlowDisabled):
        await first.rerun()
    with pytest.raises(FlowDisabled):
        await first.fork("load")


async def test_a_fork_takes_over_what_does_not_come_after_the_step(start: Start, world: World) -> None:
    orchestrator = await start(CHAIN)
    first = await ended(orchestrator, {"n": 3})

    fork = await first.fork("double", by="Ann")
    result = await fork.wait(timeout=30)

    assert result.output == 3
    assert world.calls == {"load": 1, "beside": 1, "double": 2, "report": 2}
    reused = {key: step.reused_from for key, step in result.steps.items()}
    assert reused == {"load": first.run_id, "beside": first.run_id, "double": None, "report": None}
    assert result.steps["load"].input == {"value": 3}
    assert result.run.source_run_id == first.run_id
    assert await folds(fork, result)
    [started] = [event async for event in fork.events(follow=False) if event.type == "run.started"]
    assert (started.data["fork_of"], started.data["from_step"], started.data["by"]) == (
        str(first.run_id),
        "double",
        "Ann",
    )


async def test_a_fork_may_change_the_inputs_of_its_step(start: Start) -> None:
    orchestrator = await start(CHAIN)
    first = await ended(orchestrator, {"n": 3})

    fork = await (await first.fork("double", inputs={"value": "@concat(steps('load').output, '!')"})).wait(timeout=30)

    assert fork.output == "3!"
    assert fork.run.manifest_hash != (await first.result()).run.manifest_hash
    with pytest.raises(FlowValidationError, match="lod"):
        await first.fork("double", inputs={"value": "@steps('lod').output"})


async def test_a_fork_with_an_input_that_the_handler_does_not_take_is_refused(start: Start) -> None:
    orchestrator = await start(CHAIN)
    first = await ended(orchestrator, {"n": 3})

    with pytest.raises(FlowValidationError, match=r"steps\.double\.inputs\.valeu: .* did you mean 'value'"):
        await first.fork("double", inputs={"valeu": 4})
    with pytest.raises(FlowValidationError, match=r"steps\.double\.inputs\.Value: .* is given twice"):
        await first.fork("double", inputs={"Value": 4})
    assert len((await orchestrator.list_runs()).runs) == 1


async def test_a_fork_of_a_fork_tells_where_its_steps_have_run(start: Start, world: World) -> None:
    orchestrator = await start(CHAIN)
    first = await ended(orchestrator, {"n": 3})
    second = await first.fork("double")
    await second.wait(timeout=30)

    third = await (await second.fork("report")).wait(timeout=30)

    assert third.output == 3
    reused = {key: step.reused_from for key, step in third.steps.items()}
    assert reused == {"load": first.run_id, "beside": first.run_id, "double": second.run_id, "report": None}


async def test_a_fork_of_a_failed_run_goes_on_and_a_reused_failure_can_be_retried(start: Start, world: World) -> None:
    orchestrator = await start(CHAIN)
    world.broken = {"double", "beside"}
    first = await ended(orchestrator, {"n": 3})
    world.broken = set()

    fork = await first.fork("double")
    assert (await fork.wait(timeout=30)).status is RunStatus.FAILED
    await fork.retry("beside")
    result = await fork.wait(timeout=30)

    assert result.output == 3
    assert (result.steps["beside"].attempt, result.steps["beside"].reused_from) == (2, None)
    assert (await first.result()).status is RunStatus.FAILED


async def test_a_fork_of_a_run_that_is_under_way_plans_anew_what_had_not_ended(start: Start, world: World) -> None:
    steps = {"a": echo(1), "gate": Step(type="Gate", run_after=["a"]), "c": echo(2, "a"), "d": echo(3, "c", "gate")}
    orchestrator = await start(FlowManifest(steps=steps))
    first = await orchestrator.trigger("Scenario")
    await world.until_reached("gate")

    fork = await first.fork("c")
    world.open_gate("gate")
    result = await fork.wait(timeout=30)
    await first.wait(timeout=30)

    assert result.succeeded
    assert world.calls["a"] == 1
    assert world.calls["gate"] == 2


async def test_an_item_of_a_loop_can_be_forked_from(start: Start, world: World) -> None:
    body = {"x": echo("@item()"), "y": echo("@concat(steps('x').output, '-', index())", "x")}
    loop = ForEach(for_each="@steps('items').output", run_after=["items"], steps=body)
    steps: dict[str, AnyStep] = {
        "items": echo(["p", "q", "r"]),
        "loop": loop,
        "loop_out": echo("@steps('loop').output", "loop"),
    }
    orchestrator = await start(FlowManifest(steps=steps))
    first = await ended(orchestrator)

    fork = await first.fork("loop.1.y")
    result = await fork.wait(timeout=30)

    assert result.output == ["p-0", "q-1", "r-2"]
    assert {key for key, count in world.calls.items() if count > 1} == {"loop.1.y", "loop_out"}
    assert result.steps["loop"].reused_from is None
    assert result.steps["loop.0.y"].reused_from == first.run_id
    assert await folds(fork, result)


async def test_large_payloads_and_conditions_are_taken_over(start: Start) -> None:
    steps = {
        "big": echo("@triggerBody().text"),
        "cut": echo("@length(steps('big').output)", "big", when="@length(steps('big').output) > 10"),
        "last": echo("@steps('cut').output", "cut"),
    }
    orchestrator = await start(FlowManifest(steps=steps))
    first = await ended(orchestrator, {"text": "x" * 100_000})

    result = await (await first.fork("last")).wait(timeout=30)

    assert result.output == 100_000
    source = await first.result()
    assert result.steps["big"].output == source.steps["big"].output
    assert result.steps["cut"].trace == source.steps["cut"].trace


async def test_a_condition_that_reads_a_reused_output_is_decided_with_it(start: Start) -> None:
    steps = {"a": echo(5), "b": echo("ran", "a", when="@steps('a').output > 4"), "c": echo("no", "a", when="@false")}
    orchestrator = await start(FlowManifest(steps=steps))
    first = await ended(orchestrator)

    result = await (await first.fork("b")).wait(timeout=30)

    assert {key: step.status for key, step in result.steps.items()} == {
        "a": StepStatus.SUCCEEDED,
        "b": StepStatus.SUCCEEDED,
        "c": StepStatus.SKIPPED,
    }


async def test_a_scope_that_has_cleaned_up_is_forked_from_as_a_whole(start: Start, world: World) -> None:
    pay = Scope(steps={"charge": echo(1), "ship": echo(2, "charge")}, catch={"tell": echo("caught")})
    orchestrator = await start(FlowManifest(steps={"pay": pay}))
    world.broken = {"pay.steps.ship"}
    first = await ended(orchestrator)
    world.broken = set()

    with pytest.raises(InvalidTransition, match="'pay' has gone on since its steps ended; fork from 'pay' instead"):
        await first.fork("pay.steps.ship")
    result = await (await first.fork("pay")).wait(timeout=30)

    assert result.output == 2
    assert world.calls["pay.steps.charge"] == 2


async def test_only_the_latest_iteration_of_a_loop_with_a_condition_is_forked_from(start: Start, world: World) -> None:
    until = Until(until="@steps('x').output >= 2", steps={"x": echo("@index()")})
    orchestrator = await start(FlowManifest(steps={"u": until, "after": echo("@steps('u').output", "u")}))
    first = await ended(orchestrator)

    with pytest.raises(InvalidTransition, match=r"fork from 'u', or from a step of 'u\.2'"):
        await first.fork("u.0.x")
    result = await (await first.fork("u.2.x")).wait(timeout=30)

    assert result.output == 2
    assert world.calls == {"u.0.x": 1, "u.1.x": 1, "u.2.x": 2, "after": 2}


async def test_all_failed_items_are_retried_at_once(start: Start, world: World) -> None:
    loop = ForEach(for_each=["p", "q", "r"], on_item_failure="continue", steps={"x": echo("@item()")})
    orchestrator = await start(FlowManifest(steps={"loop": loop, "after": echo("@steps('loop').output", "loop")}))
    world.broken = {"loop.0.x", "loop.2.x", "after"}
    first = await ended(orchestrator)
    world.broken = {"loop.2.x"}

    steps = await first.retry_failed()
    assert (steps.retried, steps.left_out) == (["loop.0.x", "loop.2.x"], ["after"])
    assert (await first.wait(timeout=30)).steps["loop"].output == ["p", "q", None]
    world.broken = set()
    await first.retry("loop.2.x")
    assert (await first.wait(timeout=30)).steps["loop"].output == ["p", "q", "r"]
    await first.retry_failed()

    assert (await first.wait(timeout=30)).output == ["p", "q", "r"]


async def test_a_fork_starts_no_child_again_and_takes_no_signal_twice(start: Start, world: World) -> None:
    is_child = "@triggerBody()?.isChild == true"
    call = {"flow": "Scenario", "body": {"isChild": True}}
    steps = {
        "wait": Step(type="WaitForSignal", inputs={"signalName": "go"}, when="@triggerBody()?.isChild != true"),
        "call": Step(type="RunFlow", run_after=["wait"], inputs=call),
        "after": echo("@steps('wait').output", "call"),
        "in_child": echo("done", when=is_child),
    }
    orchestrator = await start(FlowManifest(steps=steps))
    first = await orchestrator.trigger("Scenario", body={})
    await first.signal("go", "now")
    source = await first.wait(timeout=30)
    assert source.succeeded

    result = await (await first.fork("after")).wait(timeout=30)

    assert result.steps["after"].output == "now"
    assert result.steps["call"].child_run_id == source.steps["call"].child_run_id
    assert len((await orchestrator.list_runs()).runs) == 3
    assert await orchestrator.list_signals(result.run_id) == []


async def test_a_fork_of_a_cancelled_run_runs_what_was_stopped(start: Start, world: World) -> None:
    steps = {"a": echo(1), "gate": Step(type="Gate", run_after=["a"]), "b": echo(2, "a"), "c": echo(3, "gate")}
    orchestrator = await start(FlowManifest(steps=steps))
    first = await orchestrator.trigger("Scenario")
    await world.until_reached("gate")
    await first.cancel()
    assert (await first.wait(timeout=30)).status is RunStatus.CANCELLED
    world.open_gate("gate")

    result = await (await first.fork("b")).wait(timeout=30)

    assert result.succeeded
    assert world.calls["a"] == 1
    assert result.steps["c"].output == 3
