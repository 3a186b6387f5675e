"""The flow: four years of observations in, one report out."""

from __future__ import annotations

from uuid import UUID

from floworch import FlowDefinition, FlowManifest, ForEach, ManualTrigger, Step, StepStatus

__all__ = ["WeatherReportFlow"]


class WeatherReportFlow(FlowDefinition):
    """Body of the trigger, all optional: ``source`` and ``report`` (paths), ``thresholds`` (see ``model.py``)."""

    id = UUID("6f2d0a5e-6a0b-4b7e-9d57-3f1f0c9d5a10")
    version = "1.0"
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "extract": Step(type="ReadCsv", inputs={"path": "@triggerBody()?.source"}),
            "validate": Step(
                type="ValidateRows",
                run_after=["extract"],
                inputs={"rows": "@steps('extract').output"},
            ),
            "months": ForEach(
                for_each="@steps('validate').output.months",
                concurrency_limit=8,
                run_after=["validate"],
                steps={
                    "statistics": Step(
                        type="MonthStatistics",
                        inputs={"month": "@item()", "thresholds": "@triggerBody()?.thresholds"},
                    ),
                },
            ),
            "summary": Step(
                type="SummariseMonths",
                run_after=["months"],
                inputs={"months": "@steps('months').output"},
            ),
            "extremes": Step(
                type="RankExtremes",
                run_after=["summary"],
                when="@steps('summary').output.extreme_days > 0",
                inputs={"months": "@steps('months').output", "thresholds": "@triggerBody()?.thresholds"},
            ),
            "report": Step(
                type="RenderReport",
                # A quiet climate skips `extremes`, and the report is written all the same. A failure further up skips
                # `extremes` as well, so the report asks for `summary` besides.
                run_after={
                    "summary": [StepStatus.SUCCEEDED],
                    "extremes": [StepStatus.SUCCEEDED, StepStatus.SKIPPED],
                },
                inputs={
                    "summary": "@steps('summary').output",
                    "months": "@steps('months').output",
                    "extremes": "@steps('extremes').output",
                    "origin": "Written @{formatDateTime(utcNow(), '%Y-%m-%d %H:%M')} UTC by run @{run().id}",
                    "path": "@triggerBody()?.report",
                },
            ),
        },
    )
