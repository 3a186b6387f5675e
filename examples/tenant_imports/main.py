"""Import the files of three tenants, and show in which order they were loaded: ``python -m
examples.tenant_imports.main``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from examples.tenant_imports.app import orchestrator
from examples.tenant_imports.flow import TenantImport
from floworch import FlowOrchestrator, RunResult

__all__ = ["import_files", "most_at_once"]

FILES = {"big": 12, "north": 3, "south": 3}


async def main() -> int:
    """Exit code 0 when all files were loaded."""
    async with orchestrator() as flows:
        results = await import_files(flows, FILES)
        for tenant, result in zip(FILES, results, strict=True):
            print(f"{result.status}: {tenant}, {most_at_once([result])} at once")
        print(f"in all: {most_at_once(results)} at once")
    return 0 if all(result.succeeded for result in results) else 1


async def import_files(flows: FlowOrchestrator, files: dict[str, int]) -> Sequence[RunResult]:
    """One run per tenant with that many files."""
    bodies = [{"tenant": name, "files": [f"{name}-{n}" for n in range(count)]} for name, count in files.items()]
    runs = [await flows.trigger(TenantImport, body=body) for body in bodies]
    return [await run.wait(timeout=60) for run in runs]


def most_at_once(results: Sequence[RunResult]) -> int:
    """How many files were loaded at the same time, by the times of the steps."""
    steps = [step for result in results for key, step in result.steps.items() if key.endswith(".load")]
    starts = [(step.started_at, 1) for step in steps if step.started_at is not None]
    changes = sorted(starts + [(step.ended_at, -1) for step in steps if step.ended_at is not None])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
