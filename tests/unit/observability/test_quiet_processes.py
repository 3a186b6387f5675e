"""A process that has not loaded structlog: what the library costs it, and what it still hears."""

from __future__ import annotations

import subprocess
import sys

RUN_A_FLOW = """
import asyncio, sys
from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, ManualTrigger, Step, step_handler
from uuid import UUID

@step_handler("Work")
async def work():
    return 1

async def main():
    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps={"a": Step(type="Work")})
    flow = FlowDefinition(id=UUID(int=1), name="Quiet", manifest=manifest)
    builder = FlowOrchestrator.builder().add_flow(flow).add_handlers(work).use_in_memory().use_asyncio_runtime()
    async with builder.build() as flows:
        assert (await (await flows.trigger("Quiet")).wait()).succeeded

asyncio.run(main())
assert not {"structlog", "rich", "pygments"} & set(sys.modules), "loaded although there was nothing to tell"
"""

WARN = """
import sys
from floworch.observability.logging import get_library_logger, tells_info

log = get_library_logger("floworch.test")
assert not tells_info(log)
log.debug("not_told")
log.info("not_told")
log.warning("told", number=1)
log.error("told_too")
assert "structlog" in sys.modules
"""


def errors_of(program: str) -> str:
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stderr


def test_running_a_flow_does_not_load_structlog() -> None:
    assert errors_of(RUN_A_FLOW) == ""


def test_warnings_and_errors_are_told_on_stderr() -> None:
    told = errors_of(WARN).splitlines()

    assert len(told) == 2
    assert "told" in told[0]
    assert "number=1" in told[0]
    assert "told_too" in told[1]
