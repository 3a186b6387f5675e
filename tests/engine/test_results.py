from __future__ import annotations

from typing import Any

import pytest

from floworch import FlowOrchestrator, ForEach, NonRetryable, Step, StepResult
from floworch.results import RunResult
from tests.engine.workbench import FLOW_ID, SharedMemory, chain, running


async def echo(value: Any = None) -> Any:
    return value


async def fail() -> None:
    raise NonRetryable("no")


async def skip() -> StepResult:
    return StepResult.skipped("nothing to do")


async def poll(attempts: list[int] = []) -> Any:  # noqa: B006 - counts the calls of one test
    attempts.append(1)
    return StepResult.deferred(5) if len(attempts) % 2 else "done"


HANDLERS = {"Echo": echo, "Fail": fail, "Skip": skip, "Poll": poll}
FLOWS: dict[str, dict[str, Any]] = {
    "chain": chain("Echo", "Echo", "Echo"),
    "inputs": {"a": Step(type="Echo", inputs={"value": {"x": ["@triggerBody().n", 1]}})},
    "failure": {
        "a": Step(type="Fail"),
        "b": Step(type="Echo", run_after=["a"]),
        "c": Step(type="Echo", run_after={"a": ["Failed"]}),
    },
    "skipped": {
        "a": Step(type="Skip"),
        "b": Step(type="Echo", run_after=["a"]),
        "c": Step(type="Echo", run_after={"a": ["Skipped", "Succeeded"]}, when="@triggerBody().n > 5"),
    },
    "polling": {"a": Step(type="Poll"), "b": Step(type="Echo", run_after=["a"])},
    "wide": {**{f"p{n}": Step(type="Echo") for n in range(9)}, "join": Step(type="Echo", run_after=["p1", "p8"])},
    "large": {"a": Step(type="Echo", inputs={"value": "x" * 100_000})},
    "loop": {"a": ForEach(for_each=[1, 2], steps={"b": Step(type="Echo", inputs={"value": "@item()"})})},
}


async def answers(flows: FlowOrchestrator) -> tuple[RunResult, RunResult]:
    """What who has waited is told, and what the store has."""
    waited = await (await flows.trigger(FLOW_ID, body={"n": 3})).wait(timeout=1000)
    return waited, await flows.get_run(waited.run_id)


@pytest.mark.parametrize("name", FLOWS)
async def test_who_waits_for_a_run_is_told_what_the_store_has(name: str) -> None:
    async with running(FLOWS[name], HANDLERS) as flows:
        waited, stored = await answers(flows)
    assert waited == stored
    assert list(waited.steps) == list(stored.steps)


async def test_who_waits_for_a_short_run_of_this_process_asks_the_store_nothing() -> None:
    asked: list[Any] = []

    class Counting(SharedMemory):
        async def list_steps(self, run_id: Any, **which: Any) -> Any:
            asked.append(run_id)
            return await super().list_steps(run_id, **which)

    async with running(FLOWS["chain"], HANDLERS, store=Counting) as flows:
        run = await flows.trigger(FLOW_ID)
        assert (await run.wait()).succeeded
        assert asked == []
        assert (await run.wait()).succeeded
    assert asked == [run.run_id]


async def test_changing_a_result_changes_nothing_else() -> None:
    async with running(FLOWS["inputs"], HANDLERS) as flows:
        waited, stored = await answers(flows)
        waited.steps["a"].output["x"].append("mine")
        again = await flows.get_run(waited.run_id)
    assert again.steps["a"].output == stored.steps["a"].output == {"x": [3, 1]}
