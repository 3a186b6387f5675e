"""Order a report from an API, wait until it is ready, and download it."""

from __future__ import annotations

from uuid import UUID

from floworch import FlowDefinition, FlowManifest, ManualTrigger, RetryPolicy, Step, expr

__all__ = ["ReportFlow"]

_AUTHORIZATION = {"Authorization": "Bearer @{env('REPORTS_TOKEN')}"}
_SOON = RetryPolicy(max_attempts=5, initial=0.2)


class ReportFlow(FlowDefinition):
    """The address of the API is in the body of the trigger, its token in the environment of the worker."""

    id = UUID("5a0f6a52-3f4e-4c7e-8f0e-0d8f7a4f3c11")
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "order": Step(
                type="HttpRequest",
                inputs={
                    "method": "POST",
                    "url": "@{triggerBody().api}/reports",
                    "headers": _AUTHORIZATION,
                    "body": {"year": expr.trigger_body().year},
                    "expectedStatuses": 202,
                },
                retry=_SOON,
            ),
            "wait": Step(
                type="CheckReport",
                run_after=["order"],
                inputs={
                    "api": expr.trigger_body().api,
                    "report": expr.steps("order").output.body.id,
                    "token": "@env('REPORTS_TOKEN')",
                    "pollIntervalSeconds": 1,
                    "pollTimeoutSeconds": 60,
                    "pollCondition": "@result().state == 'ready'",
                },
                retry=_SOON,
            ),
            "download": Step(
                type="HttpRequest",
                run_after=["wait"],
                inputs={
                    "url": "@{triggerBody().api}@{steps('wait').output.file}",
                    "headers": _AUTHORIZATION,
                },
                retry=_SOON,
            ),
        },
    )
