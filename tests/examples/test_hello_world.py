"""The example of the README's first screen."""

from __future__ import annotations

from examples.hello_world.app import orchestrator
from examples.hello_world.flow import HelloWorldFlow
from floworch import RunStatus


async def test_its_two_steps_run_one_after_the_other() -> None:
    async with orchestrator() as flows:
        run = await flows.trigger("HelloWorldFlow")
        result = await run.wait(timeout=30)

    assert result.status is RunStatus.SUCCEEDED
    assert list(result.steps) == ["system_check", "system_ready"]
    assert result.steps["system_ready"].output == {"logged": "All systems operational."}


def test_it_says_when_it_is_to_start_by_itself() -> None:
    assert HelloWorldFlow.manifest.to_dict()["triggers"]["scheduled"] == {
        "type": "Cron",
        "inputs": {"cronExpression": "*/1 * * * *"},
    }
