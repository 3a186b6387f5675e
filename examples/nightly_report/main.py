"""Make the reports of the last week, two at once, and say when the next one is due: ``python -m
examples.nightly_report.main``."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from examples.nightly_report.app import orchestrator
from examples.nightly_report.flow import NightlyReport
from floworch import FlowOrchestrator


async def main() -> int:
    """Exit code 0 when all reports were made."""
    async with orchestrator() as flows:
        print(await flows.schedules.describe(NightlyReport, "nightly"))
        names = await reports_of_last_week(flows)
        for name in names:
            print(f"Succeeded: {name}" if name else "a report was not made")
        [upcoming] = await flows.schedules.next_fire_times(NightlyReport, "nightly", 1)
        print(f"next: {upcoming}")
    return 0 if all(names) else 1


async def reports_of_last_week(flows: FlowOrchestrator) -> list[str | None]:
    """Names of the reports, oldest first; None for one that was not made."""
    now = datetime.now(UTC)
    await flows.schedules.backfill(NightlyReport, "nightly", now - timedelta(days=7), now, only="all", max_active=2)
    while not await _is_over(flows):  # noqa: ASYNC110 - any process may bring it to its end
        await asyncio.sleep(0.05)
    ticks = await flows.schedules.ticks(NightlyReport, "nightly", first=now - timedelta(days=7))
    return [await _name(flows, tick.run_id) for tick in reversed(ticks)]


async def _is_over(flows: FlowOrchestrator) -> bool:
    backfill = (await flows.schedules.get(NightlyReport, "nightly")).backfill
    return backfill is None or backfill.status.is_over


async def _name(flows: FlowOrchestrator, run_id: object) -> str | None:
    if run_id is None:
        return None
    result = await flows.wait(str(run_id))
    return result.steps["report"].output["name"] if result.succeeded else None


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
