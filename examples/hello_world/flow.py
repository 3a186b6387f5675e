"""The smallest flow: two steps, one after the other."""

from __future__ import annotations

from uuid import UUID

from floworch import CronTrigger, FlowDefinition, FlowManifest, ManualTrigger, Step, StepStatus

__all__ = ["HelloWorldFlow"]


class HelloWorldFlow(FlowDefinition):
    """Says that the system is being checked, then that it is ready."""

    id = UUID("00000000-0000-0000-0000-000000000001")
    version = "1.0"
    manifest = FlowManifest(
        triggers={
            "manual": ManualTrigger(),
            "scheduled": CronTrigger(cron_expression="*/1 * * * *"),
        },
        steps={
            "system_check": Step(type="LogMessage", inputs={"message": "System health check starting..."}),
            "system_ready": Step(
                type="LogMessage",
                run_after={"system_check": [StepStatus.SUCCEEDED]},
                inputs={"message": "All systems operational."},
            ),
        },
    )
