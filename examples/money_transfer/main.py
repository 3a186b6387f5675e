"""Transfer money twice, the second time to a closed account: ``python -m examples.money_transfer.main``."""

from __future__ import annotations

import asyncio
import sys

from examples.money_transfer.app import orchestrator
from examples.money_transfer.bank import Bank
from examples.money_transfer.flow import TransferFlow


async def main() -> int:
    """Exit code 0 when no money was lost."""
    bank = Bank({"ada": 100, "bob": 0})
    async with orchestrator(bank) as flows:
        for target in ("bob", "eve"):
            run = await flows.trigger(TransferFlow, body={"source": "ada", "target": target, "amount": 30})
            result = await run.wait(timeout=30)
            print(f"30 from ada to {target}: {result.status}, {bank.balances}")
            for key, step in result.steps.items():
                print(f"  {key}: {step.status}")
    return 0 if sum(bank.balances.values()) == 100 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
