"""One report, and a look for the token in what is kept of it: ``python -m examples.report_export.main``."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys

from examples.report_export.api import reports_api
from examples.report_export.app import orchestrator
from examples.report_export.flow import ReportFlow

__all__ = ["main"]


async def main() -> int:
    """Exit code 0 when the run has succeeded and nothing tells the token, 1 otherwise."""
    token = os.environ["REPORTS_TOKEN"] = secrets.token_urlsafe(16)
    with reports_api(token) as api:
        async with orchestrator() as flows:
            run = await flows.trigger(ReportFlow, body={"api": api, "year": 2025})
            result = await run.wait(timeout=60)
            history = [event async for event in run.events()]
    for step in result.steps.values():
        told = step.output["body"] if step.type == "HttpRequest" and step.output else step.output
        print(f"{step.key:<8} {step.status:<9} attempts: {step.attempt}  {str(told).replace(chr(10), ' ')}")
    is_told = token in repr((result.steps, history))
    print("The token is in the history!" if is_told else "The token is nowhere in the history.")
    print(result.status)
    return 0 if result.succeeded and not is_told else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
