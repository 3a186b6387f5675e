"""The example that waits for people."""

from __future__ import annotations

from examples.approval.app import orchestrator
from examples.approval.flow import PurchaseFlow
from examples.approval.main import main
from floworch import RunStatus, SignalStatus


async def test_its_program_ends_well() -> None:
    assert await main() == 0


async def test_two_votes_and_a_payment_complete_it_in_any_order() -> None:
    async with orchestrator() as flows:
        run = await flows.trigger(PurchaseFlow, body={"order": "o-1"})
        early = await run.signal("card", {"amount": 3})
        await run.signal("vote", "yes")
        last = await run.signal("vote", "yes")
        result = await run.wait(timeout=30)

    assert (early.status, last.status) == (SignalStatus.BUFFERED, SignalStatus.DELIVERED)
    assert result.status is RunStatus.SUCCEEDED
    assert result.steps["payment"].output == {"name": "card", "payload": {"amount": 3}}
