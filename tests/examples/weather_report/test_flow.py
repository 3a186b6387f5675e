"""The weather flow on SQLite."""

from __future__ import annotations

from pathlib import Path

from examples.weather_report.app import orchestrator
from examples.weather_report.flow import WeatherReportFlow
from floworch import RunResult, RunStatus, StepStatus


async def run_flow(folder: Path, **body: object) -> RunResult:
    async with orchestrator(folder / "weather.db") as flows:
        run = await flows.trigger(WeatherReportFlow, body={"report": folder / "report.html", **body})
        return await run.wait(timeout=60)


async def test_four_years_of_weather_become_a_report(tmp_path: Path) -> None:
    result = await run_flow(tmp_path)

    assert result.status is RunStatus.SUCCEEDED, result.error
    assert len(result.steps["months"].output) == 48
    assert set(result.attempts.values()) == {1}
    assert result.steps["summary"].output["highest"] == {"day": "2014-08-11", "value": 35.6}
    assert result.steps["summary"].output["wettest"] == {"day": "2015-03-15", "value": 55.9}
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert result.steps["report"].output == {
        "path": str(tmp_path / "report.html"),
        "size_bytes": len(report.encode()),
    }
    assert f"by run {result.run_id}" in report
    for told in ("2012–2015", "35.6", "−7.1", "55.9 mm", "Downpours", "Temperature, °C", "Precipitation, mm a month"):
        assert told in report
    assert [word for word in ("http:", "https:", "<script", "$") if word in report] == []


async def test_the_loop_holds_to_its_limit(tmp_path: Path) -> None:
    async with orchestrator(tmp_path / "weather.db") as flows:
        run = await flows.trigger(WeatherReportFlow, body={"report": tmp_path / "report.html"})
        await run.wait(timeout=60)
        running = most = 0
        async for event in run.events(follow=False):
            if event.step_key and event.step_key.startswith("months."):
                running += (event.type == "step.started") - (event.type == "step.completed")
                most = max(most, running)

    assert (most, running) == (8, 0)


async def test_without_extreme_days_their_step_is_skipped_and_the_report_is_written(tmp_path: Path) -> None:
    result = await run_flow(tmp_path, thresholds={"heat": 50, "frost": -50, "rain": 500})

    assert result.status is RunStatus.SUCCEEDED, result.error
    assert result.steps["extremes"].status is StepStatus.SKIPPED
    assert "Extreme days" not in (tmp_path / "report.html").read_text(encoding="utf-8")


async def test_a_file_that_holds_no_weather_fails_the_run_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("name,age\nAda,36\n", encoding="utf-8")

    result = await run_flow(tmp_path, source=tmp_path / "bad.csv")

    assert result.status is RunStatus.FAILED
    assert result.error is not None
    assert "1 of 1 rows are not observations" in result.error
    assert {result.steps[key].status for key in ("months", "summary", "extremes", "report")} == {StepStatus.SKIPPED}
    assert not (tmp_path / "report.html").exists()
