"""What is taken comes back when it cannot be given."""

from __future__ import annotations

from examples.money_transfer.app import orchestrator
from examples.money_transfer.bank import Bank
from examples.money_transfer.flow import TransferFlow
from floworch import RunResult, RunStatus


async def transfer(bank: Bank, target: str, amount: int = 30) -> RunResult:
    async with orchestrator(bank) as flows:
        run = await flows.trigger(TransferFlow, body={"source": "ada", "target": target, "amount": amount})
        return await run.wait(timeout=30)


async def test_the_money_changes_hands() -> None:
    bank = Bank({"ada": 100, "bob": 0})
    result = await transfer(bank, "bob")
    assert result.status is RunStatus.SUCCEEDED
    assert bank.balances == {"ada": 70, "bob": 30}


async def test_money_for_a_closed_account_goes_back() -> None:
    bank = Bank({"ada": 100})
    result = await transfer(bank, "eve")
    assert result.status is RunStatus.FAILED
    assert bank.balances == {"ada": 100}
    assert bank.booked == [f"{result.run_id}:transfer.steps.withdraw", f"{result.run_id}:transfer.compensate.withdraw"]
    assert result.steps["transfer.finally.statement"].output == {"logged": "The deposit Failed: eve is closed"}


async def test_nothing_is_given_back_that_was_not_taken() -> None:
    bank = Bank({"ada": 10, "bob": 0})
    result = await transfer(bank, "bob")
    assert result.status is RunStatus.FAILED
    assert bank.booked == []
