"""Retries, recovery and a condition, in one flow."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from examples.order_fulfillment.app import orchestrator
from examples.order_fulfillment.flow import OrderFulfillmentFlow
from examples.order_fulfillment.gateway import PaymentGateway
from floworch import RunResult, RunStatus, StepStatus
from tests.docs.programs import blocks_of, commands_of, matches
from tests.docs.programs import run as run_command

GOOD_CARD, BAD_CARD = "4111 1111 1111 1111", "4111 1111 1111 0000"


async def run(gateway: PaymentGateway, **changes: Any) -> RunResult:
    order = {
        "orderId": "ord-1",
        "card": GOOD_CARD,
        "items": [{"sku": "metronome", "quantity": 2, "unitPrice": "34.00"}],
    }
    async with orchestrator(gateway) as flows:
        handle = await flows.trigger(OrderFulfillmentFlow, body=order | changes)
        return await handle.wait(timeout=30)


def statuses(result: RunResult) -> dict[str, StepStatus]:
    return {key: step.status for key, step in result.steps.items()}


async def test_a_gateway_that_fails_twice_takes_the_money_on_the_third_attempt_and_once() -> None:
    gateway = PaymentGateway(failures=2)

    result = await run(gateway)

    assert result.status is RunStatus.SUCCEEDED
    assert result.attempts["charge"] == 3
    assert result.steps["charge"].output == {"payment_id": "pay-1", "attempt": 3}
    assert gateway.charges == {f"{result.run_id}:charge": Decimal("68.00")}


async def test_a_declined_card_is_not_tried_again_and_the_stock_is_released() -> None:
    gateway = PaymentGateway(failures=0)

    result = await run(gateway, card=BAD_CARD)

    assert result.status is RunStatus.SUCCEEDED
    assert result.attempts["charge"] == 1
    assert result.steps["release"].output == (
        "the parcels of ord-1 are for sale again, because the card ending in 0000 was declined"
    )
    assert statuses(result)["ship"] is StepStatus.SKIPPED
    assert gateway.charges == {}


async def test_a_gateway_that_stays_down_is_given_up_after_four_attempts() -> None:
    result = await run(PaymentGateway(failures=100))

    assert result.attempts["charge"] == 4
    assert statuses(result)["release"] is StepStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("quantity", "insured"), [(1, StepStatus.SKIPPED), (14, StepStatus.SKIPPED), (15, StepStatus.SUCCEEDED)]
)
async def test_only_orders_of_500_euros_and_more_are_insured_but_all_are_shipped(
    quantity: int, insured: StepStatus
) -> None:
    result = await run(
        PaymentGateway(failures=0), items=[{"sku": "metronome", "quantity": quantity, "unitPrice": "34.00"}]
    )

    assert result.status is RunStatus.SUCCEEDED
    assert statuses(result)["insure"] is insured
    assert statuses(result)["ship"] is StepStatus.SUCCEEDED


async def test_an_order_that_makes_no_sense_fails_with_every_mistake_in_its_message() -> None:
    result = await run(PaymentGateway(), items=[{"sku": "metronome", "quantity": 0, "unitPrice": "free"}])

    assert result.status is RunStatus.FAILED
    message = result.steps["price"].reason
    assert message is not None
    assert "quantity" in message
    assert "unitPrice" in message


@pytest.mark.slow
def test_the_program_prints_what_the_readme_says() -> None:
    root = Path(__file__).resolve().parents[2]
    readme = (root / "examples" / "order_fulfillment" / "README.md").read_text(encoding="utf-8")
    (command,) = [command for block in blocks_of(readme) for command in commands_of(block)]

    printed = run_command(command, root)

    assert matches(printed, command.expected), printed
