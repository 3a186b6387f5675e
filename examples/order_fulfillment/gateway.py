"""A stand-in for a payment provider on a bad day: it is unreachable twice for each payment, then it works."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

__all__ = ["CardDeclined", "GatewayUnavailable", "PaymentGateway"]


class GatewayUnavailable(Exception):
    """Trying again later may help."""


class CardDeclined(Exception):
    """Trying again will not help."""


class PaymentGateway:
    """``charges`` holds what was really charged, by idempotency key: a repeated request charges nothing twice."""

    def __init__(self, failures: int = 2) -> None:
        self.charges: dict[str, Decimal] = {}
        self._failures = failures
        self._requests: Counter[str] = Counter()

    async def charge(self, card: str, amount: Decimal, idempotency_key: str) -> str:
        """Id of the payment. Raises GatewayUnavailable, CardDeclined."""
        self._requests[idempotency_key] += 1
        if self._requests[idempotency_key] <= self._failures:
            raise GatewayUnavailable(f"no answer to request {self._requests[idempotency_key]}")
        if card.endswith("0000"):
            raise CardDeclined(f"the card ending in {card[-4:]} was declined")
        self.charges.setdefault(idempotency_key, amount)
        return f"pay-{len(self.charges)}"
