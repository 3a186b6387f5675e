"""A flow that the clock starts: every night, by the wall clock of Berlin."""

from __future__ import annotations

from uuid import UUID

from floworch import (
    CronTrigger,
    FlowDefinition,
    FlowManifest,
    ManualTrigger,
    RetryPolicy,
    Step,
    StepContext,
    StepDefaults,
    step_handler,
)

__all__ = ["NightlyReport", "make_report"]


@step_handler("MakeReport")
async def make_report(ctx: StepContext, day: str, region: str) -> dict[str, str]:
    """Names the report of the day. A real one would gather figures; the day is that of the tick, not of the clock, so a
    late or repeated run reports on the right day."""
    return {"name": f"{region}-{day[:10]}"}


class NightlyReport(FlowDefinition):
    """One report per night. A night that was missed is made up for; a report never runs beside the one before."""

    id = UUID("00000000-0000-0000-0000-00000000000c")
    manifest = FlowManifest(
        triggers={
            "manual": ManualTrigger(),
            "nightly": CronTrigger(
                cron_expression="30 2 * * *",
                time_zone="Europe/Berlin",
                catch_up="all",
                overlap="queue",
                jitter_seconds=60,
                inputs={"region": "eu"},
            ),
        },
        tags={"region": "@coalesce(triggerBody()?.region, 'world')"},
        defaults=StepDefaults(retry=RetryPolicy(max_attempts=3, initial=30), timeout=600),
        steps={
            "report": Step(
                type="MakeReport",
                inputs={
                    "day": "@coalesce(trigger().scheduledAt, trigger().startedAt)",
                    "region": "@coalesce(triggerBody()?.region, 'world')",
                },
            ),
        },
    )
