"""The flow: price, reserve, charge; then ship, or put the goods back."""

from __future__ import annotations

from uuid import UUID

from floworch import FlowDefinition, FlowManifest, ManualTrigger, Step, StepStatus, expr

__all__ = ["OrderFulfillmentFlow"]

ORDER_ID = expr.trigger_body().orderId
PRICED = expr.steps("price").output


class OrderFulfillmentFlow(FlowDefinition):
    """Body of the trigger: see ``Order`` in ``model.py``. References are written as Python objects here."""

    id = UUID("8d0f7c9e-3a52-4c67-a1b0-64f1d2b7c301")
    version = "1.0"
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "price": Step(type="PriceOrder", inputs={"order": expr.trigger_body()}),
            "reserve": Step(
                type="ReserveStock",
                run_after=["price"],
                inputs={"orderId": ORDER_ID, "parcels": PRICED.parcels},
            ),
            "charge": Step(
                type="ChargeCard",
                run_after=["reserve"],
                inputs={"card": expr.trigger_body().card, "amount": PRICED.total},
            ),
            "insure": Step(
                type="Insure",
                run_after=["charge"],
                when=PRICED.total >= 500,
                inputs={"orderId": ORDER_ID, "value": PRICED.total},
            ),
            "ship": Step(
                type="Ship",
                run_after={"charge": [StepStatus.SUCCEEDED], "insure": [StepStatus.SUCCEEDED, StepStatus.SKIPPED]},
                inputs={"orderId": ORDER_ID, "paymentId": expr.steps("charge").output.payment_id},
            ),
            "release": Step(
                type="ReleaseStock",
                run_after={"charge": [StepStatus.FAILED]},
                inputs={"orderId": ORDER_ID, "reason": expr.steps("charge").error.message},
            ),
        },
    )
