"""The work of the steps."""

from __future__ import annotations

from decimal import Decimal

from examples.order_fulfillment.gateway import GatewayUnavailable, PaymentGateway
from examples.order_fulfillment.model import Order, PricedOrder, Receipt
from floworch import RetryPolicy, StepContext, step_handler

__all__ = ["ChargeCard", "insure", "price_order", "release_stock", "reserve_stock", "ship"]


@step_handler("PriceOrder")
def price_order(order: Order) -> PricedOrder:
    """All inputs arrive as one validated model; the result is a dataclass."""
    total = sum((item.quantity * item.unit_price for item in order.items), Decimal())
    return PricedOrder(order.order_id, parcels=len(order.items), total=total)


@step_handler("ReserveStock")
def reserve_stock(order_id: str, parcels: int) -> str:
    """Inputs bind by name: ``orderId`` of the manifest is ``order_id`` here."""
    return f"{parcels} parcels set aside for {order_id}"


@step_handler(
    "ChargeCard",
    retry=RetryPolicy(max_attempts=4, initial=0.1, max=5, jitter=0.25, retry_on=GatewayUnavailable),
    timeout=10,
)
class ChargeCard:
    """A handler that needs a service: what the constructor asks for comes from the orchestrator."""

    def __init__(self, gateway: PaymentGateway) -> None:
        self._gateway = gateway

    async def __call__(self, ctx: StepContext, card: str, amount: Decimal) -> Receipt:
        """The same idempotency key on every attempt, so that a lost answer never means a second charge."""
        payment_id = await self._gateway.charge(card, amount, ctx.idempotency_key)
        return Receipt(payment_id, ctx.attempt)


@step_handler("Ship")
def ship(order_id: str, payment_id: str) -> str:
    """Hand the parcels to the carrier."""
    return f"{order_id} is on its way, paid with {payment_id}"


@step_handler("Insure")
def insure(order_id: str, value: Decimal) -> str:
    """Insure valuable parcels."""
    return f"{order_id} is insured for {value} euros"


@step_handler("ReleaseStock")
def release_stock(order_id: str, reason: str) -> str:
    """Undo the reservation: the recovery from a payment that failed for good."""
    return f"the parcels of {order_id} are for sale again, because {reason}"
