"""The example with a schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from examples.nightly_report.app import orchestrator
from examples.nightly_report.flow import NightlyReport
from examples.nightly_report.main import reports_of_last_week
from floworch import FailureNotice


async def test_the_reports_of_the_last_week_are_named_by_their_nights(tmp_path: Path) -> None:
    async with orchestrator(tmp_path / "reports.db") as flows:
        names = await reports_of_last_week(flows)
        [upcoming] = await flows.schedules.next_fire_times("NightlyReport", "nightly", 1)

    assert len(names) == 7
    assert names == sorted(map(str, names))
    assert names[-1] in {f"eu-{datetime.now(UTC) - timedelta(days=back):%Y-%m-%d}" for back in (0, 1)}
    assert upcoming > datetime.now(UTC)


async def test_reports_are_found_by_their_region_and_somebody_hears_of_those_that_are_missing(tmp_path: Path) -> None:
    told: list[FailureNotice] = []
    async with orchestrator(tmp_path / "reports.db", told.append) as flows:
        made = await (await flows.trigger(NightlyReport, body={"region": "asia"})).wait(30)
        lost = await (await flows.trigger(NightlyReport, body={"region": 7})).wait(30)
        found = (await flows.list_runs(tags={"region": "asia"})).runs

    assert [run.id for run in found] == [made.run_id]
    assert [notice.run.id for notice in told] == [lost.run_id]
    assert told[0].tags == {"region": "7"}
