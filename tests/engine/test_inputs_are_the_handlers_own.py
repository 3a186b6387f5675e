"""A handler may change whatever it gets: neither other steps nor later runs see it."""

from __future__ import annotations

from typing import Any

import pytest

from floworch import ForEach, Step, StepContext
from tests.engine.workbench import FLOW_ID, running

BODY = {"tags": ["a"]}


async def spoil(given: Any) -> list[Any]:
    seen = list(given)
    given.append("spoilt")
    return seen


def reading(source: Any) -> dict[str, Step | ForEach]:
    """A step that makes an output, and two that read the source one after the other."""
    inputs = {"given": source}
    return {
        "make": Step(type="Make"),
        "first": Step(type="Spoil", run_after=["make"], inputs=inputs),
        "second": Step(type="Spoil", run_after=["first"], inputs=inputs),
    }


async def make() -> dict[str, list[str]]:
    return {"tags": ["a"]}


@pytest.mark.parametrize("source", [["a"], "@triggerBody().tags", "@steps('make').output.tags"])
async def test_neither_a_later_step_nor_a_later_run_sees_what_a_handler_did_to_its_input(source: Any) -> None:
    async with running(reading(source), {"Make": make, "Spoil": spoil}) as flows:
        for _ in range(2):
            result = await (await flows.trigger(FLOW_ID, body=BODY)).wait()
            assert result.steps["first"].output == ["a"]
            assert result.steps["second"].output == ["a"]


async def test_a_literal_deep_inside_an_input_with_expressions_stays_as_it_is() -> None:
    async def spoil_inside(given: Any) -> Any:
        return (await spoil(given["fixed"]["list"]), await spoil(given["rows"][0]))

    inputs = {"given": {"fixed": {"list": [1]}, "rows": [[2]], "n": "@triggerBody().tags"}}
    async with running({"a": Step(type="Spoil", inputs=inputs)}, {"Spoil": spoil_inside}) as flows:
        for _ in range(2):
            result = await (await flows.trigger(FLOW_ID, body=BODY)).wait()
            assert result.steps["a"].output == [[1], [2]]


async def test_items_of_a_loop_are_the_handlers_own() -> None:
    loop = ForEach(
        for_each=[["a"]],
        steps={
            "first": Step(type="Spoil", inputs={"given": "@item()"}),
            "second": Step(type="Spoil", run_after=["first"], inputs={"given": "@item()"}),
        },
    )
    async with running({"loop": loop}, {"Spoil": spoil}) as flows:
        result = await (await flows.trigger(FLOW_ID)).wait()
        assert result.steps["loop"].output == [["a"]]


async def test_what_the_context_gives_is_the_handlers_own() -> None:
    async def spoil_context(ctx: StepContext) -> Any:
        seen = [list(ctx.trigger_body["tags"]), list((await ctx.output_of("make"))["tags"])]
        ctx.trigger_body["tags"].append("spoilt")
        (await ctx.output_of("make"))["tags"].append("spoilt")
        return seen

    steps = {
        "make": Step(type="Make"),
        "first": Step(type="Spoil", run_after=["make"]),
        "second": Step(type="Spoil", run_after=["first"]),
    }
    async with running(steps, {"Make": make, "Spoil": spoil_context}) as flows:
        result = await (await flows.trigger(FLOW_ID, body=BODY)).wait()
        assert result.steps["second"].output == [["a"], ["a"]]
