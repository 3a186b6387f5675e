"""What customers send, and what the shop makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from pydantic.alias_generators import to_camel

__all__ = ["Item", "Order", "PricedOrder", "Receipt"]


class _FromOutside(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Item(_FromOutside):
    """``unit_price`` is in euros."""

    sku: str
    quantity: PositiveInt
    unit_price: Decimal = Field(gt=0, decimal_places=2)


class Order(_FromOutside):
    """Body of the trigger. In JSON: ``{"orderId": ..., "card": ..., "items": [{"sku": ..., "unitPrice": ...}]}``."""

    order_id: str
    card: str
    items: list[Item] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """``total`` is in euros."""

    order_id: str
    parcels: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class Receipt:
    """``attempt`` is the attempt on which the gateway took the money."""

    payment_id: str
    attempt: int
