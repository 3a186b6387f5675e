"""What a booking does."""

from __future__ import annotations

from typing import Any

from floworch import StepResult, step_handler

__all__ = ["book", "find_offer"]

_PRICES = {"hotel": 240, "museum": 12, "boat": 35}


@step_handler("FindOffer")
def find_offer(kind: str, place: str) -> Any:
    """An offer; there is none for everything."""
    if kind not in _PRICES:
        return StepResult.failed(f"nobody offers a {kind} in {place}", type="NoOffer", retryable=False)
    return {"what": f"{kind} in {place}", "price": _PRICES[kind]}


@step_handler("Book")
def book(offer: dict[str, Any]) -> str:
    """The confirmation."""
    return f"{offer['what']} for {offer['price']}"
