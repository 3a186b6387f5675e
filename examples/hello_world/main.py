"""Start the flow once and print what its steps said: ``python -m examples.hello_world.main``."""

from __future__ import annotations

import asyncio
import sys

from examples.hello_world.app import orchestrator
from examples.hello_world.flow import HelloWorldFlow


async def main() -> int:
    """Exit code 0 when the run succeeded, 1 when it did not."""
    async with orchestrator() as flows:
        run = await flows.trigger(HelloWorldFlow)
        result = await run.wait(timeout=30)
    for step in result.steps.values():
        print(f"{step.key}: {step.status}, {step.output}")
    print(f"run: {result.status}")
    return 0 if result.succeeded else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
