"""Step types are compared without case, also by a process that finds the steps of another one in the store."""

from __future__ import annotations

from pathlib import Path

from floworch import FlowManifest, FlowOrchestrator, ForEach, RunStatus, Step
from tests.scenarios.world import FLOW_ID, HANDLERS, World, flow_of

MANIFEST = FlowManifest(
    steps={
        "outer": ForEach(
            for_each=[1, 2],
            steps={"inner": ForEach(for_each=[1], steps={"a": Step(type="ECHO", inputs={"value": "done"})})},
        )
    }
)


def _build(path: Path) -> FlowOrchestrator:
    builder = FlowOrchestrator.builder().use_sqlite(path).use_asyncio_runtime().add_flow(flow_of(MANIFEST))
    return builder.add_handlers(*HANDLERS).add_service(World()).configure(poll_interval_seconds=0.05).build()


async def test_steps_of_loops_are_found_however_their_type_is_written(tmp_path: Path) -> None:
    client = _build(tmp_path / "flows.db")
    await client.start(work=False)
    try:
        run = await client.trigger(FLOW_ID)
        async with _build(tmp_path / "flows.db"):
            assert (await run.wait(timeout=30)).status is RunStatus.SUCCEEDED
    finally:
        await client.stop()
