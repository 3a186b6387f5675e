"""Whole flows, from the trigger to the end, on every storage: the shapes of graphs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from floworch import FlowManifest, ForEach, RunAfter, RunStatus, Step, StepStatus
from tests.scenarios.conftest import Start
from tests.scenarios.world import World


class Scenario(NamedTuple):
    steps: dict[str, Step | ForEach]
    status: str
    ends: dict[str, str]
    """Step key → final status, of every row there is."""
    outputs: Mapping[str, Any] = MappingProxyType({})
    broken: frozenset[str] = frozenset()
    body: Any = None


def echo(value: Any = None, **fields: Any) -> Step:
    return Step(type="Echo", inputs={"value": value}, **fields)


SCENARIOS = {
    "a chain passes values on": Scenario(
        {
            "a": echo("@triggerBody().n"),
            "b": Step(type="Blocking", run_after=["a"], inputs={"value": "got @{steps('a').output}"}),
        },
        "Succeeded",
        {"a": "Succeeded", "b": "Succeeded"},
        {"a": 7, "b": "got 7"},
        body={"n": 7},
    ),
    "a join waits for all": Scenario(
        {"a": echo(1), "b": echo(2), "c": echo("@concat(steps('a').output, steps('b').output)", run_after=["a", "b"])},
        "Succeeded",
        {"a": "Succeeded", "b": "Succeeded", "c": "Succeeded"},
        {"c": "12"},
    ),
    "a failure skips every descendant": Scenario(
        {"a": echo(), "b": echo(run_after=["a"]), "c": echo(run_after=["b"]), "d": echo(run_after=["c"]), "x": echo()},
        "Failed",
        {"a": "Failed", "b": "Skipped", "c": "Skipped", "d": "Skipped", "x": "Succeeded"},
        broken=frozenset({"a"}),
    ),
    "a handled failure is no failure": Scenario(
        {"a": echo(), "rescue": echo("@steps('a').error", run_after={"a": ["Failed"]})},
        "Succeeded",
        {"a": "Failed", "rescue": "Succeeded"},
        {"rescue": "a is broken"},
        broken=frozenset({"a"}),
    ),
    "a rescue that fails itself handles nothing": Scenario(
        {"a": echo(), "rescue": echo(run_after={"a": ["Failed"]})},
        "Failed",
        {"a": "Failed", "rescue": "Failed"},
        broken=frozenset({"a", "rescue"}),
    ),
    "an unneeded rescue changes nothing": Scenario(
        {"a": echo(1), "rescue": echo(run_after={"a": ["Failed"]})},
        "Succeeded",
        {"a": "Succeeded", "rescue": "Skipped"},
    ),
    "what runs after an unneeded rescue changes nothing either": Scenario(
        {"a": echo(1), "rescue": echo(run_after={"a": ["Failed"]}), "tell": echo(run_after=["rescue"])},
        "Succeeded",
        {"a": "Succeeded", "rescue": "Skipped", "tell": "Skipped"},
    ),
    "a rescue inside a loop leaves the output of the loop alone": Scenario(
        {
            "loop": ForEach(for_each=[1, 2], steps={"x": echo("@item()"), "rescue": echo(run_after={"x": ["Failed"]})}),
        },
        "Succeeded",
        {
            "loop": "Succeeded",
            "loop.0.x": "Succeeded",
            "loop.0.rescue": "Skipped",
            "loop.1.x": "Failed",
            "loop.1.rescue": "Succeeded",
        },
        {"loop": [1, None]},
        broken=frozenset({"loop.1.x"}),
    ),
    "a false condition skips, and the branch beside it runs": Scenario(
        {
            "a": echo(5),
            "big": echo(run_after={"a": RunAfter(when="@steps('a').output > 10")}),
            "small": echo(run_after={"a": RunAfter(when="@steps('a').output <= 10")}),
        },
        "Succeeded",
        {"a": "Succeeded", "big": "Skipped", "small": "Succeeded"},
    ),
    "an entry step can have a condition": Scenario(
        {"a": echo(when="@triggerBody()?.go == true"), "b": echo(run_after=["a"])},
        "Skipped",
        {"a": "Skipped", "b": "Skipped"},
        body={"go": False},
    ),
    "a condition that cannot be decided fails the step": Scenario(
        {"a": echo("text"), "b": echo(run_after={"a": RunAfter(when="@steps('a').output > 1")})},
        "Failed",
        {"a": "Succeeded", "b": "Failed"},
    ),
    "a step can run after a skipped one": Scenario(
        {"a": Step(type="SkipsItself"), "b": echo(run_after={"a": ["Skipped"]}), "c": echo(run_after=["a"])},
        "Succeeded",
        {"a": "Skipped", "b": "Succeeded", "c": "Skipped"},
    ),
    "a loop runs its body for every item": Scenario(
        {
            "loop": ForEach(
                for_each="@triggerBody()",
                concurrency_limit=2,
                steps={"x": echo("@item().v"), "y": echo("@{index()}:@{steps('x').output}", run_after=["x"])},
            ),
            "after": echo("@join(steps('loop').output, ' ')", run_after=["loop"]),
        },
        "Succeeded",
        {
            "loop": "Succeeded",
            "after": "Succeeded",
            **{f"loop.{n}.{key}": "Succeeded" for n in range(3) for key in "xy"},
        },
        {"loop": ["0:a", "1:b", "2:c"], "after": "0:a 1:b 2:c"},
        body=[{"v": "a"}, {"v": "b"}, {"v": "c"}],
    ),
    "loops nest, and the inner one sees the outer item": Scenario(
        {
            "outer": ForEach(
                for_each=[["a", "b"], [], ["c"]],
                concurrency_limit=3,
                steps={
                    "inner": ForEach(
                        for_each="@item()", steps={"leaf": echo("@{index('outer')}@{item()}@{length(item('outer'))}")}
                    )
                },
            )
        },
        "Succeeded",
        {
            "outer": "Succeeded",
            **{f"outer.{n}.inner": "Succeeded" for n in range(3)},
            "outer.0.inner.0.leaf": "Succeeded",
            "outer.0.inner.1.leaf": "Succeeded",
            "outer.2.inner.0.leaf": "Succeeded",
        },
        {"outer": [["0a2", "0b2"], [], ["2c1"]]},
    ),
    "an empty loop succeeds": Scenario(
        {"loop": ForEach(for_each="@triggerBody()?.items", steps={"x": echo()}), "after": echo(run_after=["loop"])},
        "Succeeded",
        {"loop": "Succeeded", "after": "Succeeded"},
        {"loop": []},
    ),
    "a loop over something else than a list fails": Scenario(
        {"loop": ForEach(for_each="@triggerBody()", steps={"x": echo()})}, "Failed", {"loop": "Failed"}, body={"a": 1}
    ),
    "one failed iteration fails the loop, after all have run": Scenario(
        {
            "loop": ForEach(for_each=[1, 2, 3], steps={"x": echo("@item()"), "y": echo(run_after=["x"])}),
            "rescue": echo("@steps('loop').error", run_after={"loop": ["Failed"]}),
        },
        "Succeeded",
        {
            "loop": "Failed",
            "rescue": "Succeeded",
            "loop.0.x": "Succeeded",
            "loop.0.y": "Succeeded",
            "loop.1.x": "Failed",
            "loop.1.y": "Skipped",
            "loop.2.x": "Succeeded",
            "loop.2.y": "Succeeded",
        },
        {"rescue": "1 of 3 iterations failed, first 'loop.1.x'"},
        broken=frozenset({"loop.1.x"}),
    ),
    "text that looks like an expression stays text": Scenario(
        {"secret": echo("hush"), "a": echo("@triggerBody().text", run_after=["secret"])},
        "Succeeded",
        {"secret": "Succeeded", "a": "Succeeded"},
        {"a": "@steps('secret').output"},
        body={"text": "@steps('secret').output"},
    ),
    "values of every kind come through": Scenario(
        {"a": echo("@triggerBody()")},
        "Succeeded",
        {"a": "Succeeded"},
        {"a": {"big": 2**80, "text": 'ünï"\\\n\u2028', "none": None, "deep": [[{}]], "no": False, "f": 0.1}},
        body={"big": 2**80, "text": 'ünï"\\\n\u2028', "none": None, "deep": [[{}]], "no": False, "f": 0.1},
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
async def test_scenario(scenario: Scenario, start: Start, world: World) -> None:
    world.broken |= scenario.broken
    orchestrator = await start(FlowManifest(steps=scenario.steps))

    result = await (await orchestrator.trigger("Scenario", body=scenario.body)).wait(timeout=30)

    assert {key: str(step.status) for key, step in result.steps.items()} == scenario.ends
    assert result.status == RunStatus(scenario.status)
    assert {key: result.steps[key].output for key in scenario.outputs} == scenario.outputs
    assert all(count == 1 for count in world.calls.values())


async def test_a_loop_keeps_to_its_limit(start: Start, world: World) -> None:
    loop = ForEach(for_each="@range(0, 20)", concurrency_limit=3, steps={"x": echo("@item()")})
    orchestrator = await start(FlowManifest(steps={"loop": loop}))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.steps["loop"].output == list(range(20))
    assert world.most_at_once["x"] <= 3


async def test_a_hundred_parallel_steps_all_run_once(start: Start, world: World) -> None:
    middle = {f"p{n}": echo(n, run_after=["first"]) for n in range(100)}
    steps = {"first": echo(), **middle, "last": echo(run_after=list(middle))}
    orchestrator = await start(FlowManifest(steps=steps))

    result = await (await orchestrator.trigger("Scenario")).wait(timeout=30)

    assert result.succeeded
    assert world.calls == dict.fromkeys(steps, 1)
    assert {step.status for step in result.steps.values()} == {StepStatus.SUCCEEDED}
