"""Two orders, one with a good card and one with a bad one: ``python -m examples.order_fulfillment.main``."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from examples.order_fulfillment.app import orchestrator
from examples.order_fulfillment.flow import OrderFulfillmentFlow

ITEMS = [
    {"sku": "piano-stool", "quantity": 2, "unitPrice": "89.50"},
    {"sku": "metronome", "quantity": 10, "unitPrice": "34.00"},
]
ORDERS: list[dict[str, Any]] = [
    {"orderId": "ord-1", "card": "4111 1111 1111 1111", "items": ITEMS},
    {"orderId": "ord-2", "card": "4111 1111 1111 0000", "items": ITEMS},
]


async def main() -> int:
    """Exit code 0 when both runs succeeded, 1 otherwise."""
    async with orchestrator() as flows:
        # The order's id as idempotency key: an order that is sent twice is fulfilled once.
        runs = [
            await flows.trigger(OrderFulfillmentFlow, body=order, idempotency_key=order["orderId"]) for order in ORDERS
        ]
        results = [await run.wait(timeout=30) for run in runs]
    for order, result in zip(ORDERS, results, strict=True):
        print(f"{order['orderId']}: {result.status}")
        for step in result.steps.values():
            told = step.output if step.output is not None else step.reason
            print(f"  {step.key:<8} {step.status:<9} attempts: {step.attempt}  {told}")
    return 0 if all(result.succeeded for result in results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
