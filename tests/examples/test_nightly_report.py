"""The example with a schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from examples.nightly_report.app import orchestrator
from examples.nightly_report.main import reports_of_last_week


async def test_the_reports_of_the_last_week_are_named_by_their_nights(tmp_path: Path) -> None:
    async with orchestrator(tmp_path / "reports.db") as flows:
        names = await reports_of_last_week(flows)
        [upcoming] = await flows.schedules.next_fire_times("NightlyReport", "nightly", 1)

    assert len(names) == 7
    assert names == sorted(map(str, names))
    assert names[-1] in {f"eu-{datetime.now(UTC) - timedelta(days=back):%Y-%m-%d}" for back in (0, 1)}
    assert upcoming > datetime.now(UTC)
