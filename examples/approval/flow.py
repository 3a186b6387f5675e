"""A purchase that two people have to approve, and that is then paid or given up."""

from __future__ import annotations

from uuid import UUID

from floworch import FlowDefinition, FlowManifest, ManualTrigger, Step, StepStatus

__all__ = ["PurchaseFlow"]

_TWO_DAYS_SECONDS = 2 * 86_400


class PurchaseFlow(FlowDefinition):
    """Waits for two votes, then for the payment; tells the buyer when nobody votes in time."""

    id = UUID("00000000-0000-0000-0000-00000000000a")
    version = "1.0"
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "votes": Step(
                type="WaitForSignal",
                inputs={"signalName": "vote", "quorum": 2, "timeoutSeconds": _TWO_DAYS_SECONDS},
            ),
            "payment": Step(
                type="WaitForSignal",
                run_after=["votes"],
                inputs={"signalNames": ["card", "@concat('invoice-', triggerBody().order)"]},
            ),
            "thank": Step(
                type="LogMessage",
                run_after=["payment"],
                inputs={"message": "paid by @{steps('payment').output.name}"},
            ),
            "give_up": Step(
                type="LogMessage",
                run_after={"votes": [StepStatus.FAILED]},
                inputs={"message": "@steps('votes').error.message"},
            ),
        },
    )
