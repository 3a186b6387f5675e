"""Start a purchase, vote and pay, and print what became of each signal: ``python -m examples.approval.main``."""

from __future__ import annotations

import asyncio
import sys

from examples.approval.app import orchestrator
from examples.approval.flow import PurchaseFlow

__all__ = ["main"]


async def main() -> int:
    """Exit code 0 when the run succeeded, 1 when it did not."""
    async with orchestrator() as flows:
        run = await flows.trigger(PurchaseFlow, body={"order": "o-7"})
        # The payment is early: no step waits for it yet. A vote that is sent twice counts once.
        for name, payload, key in [
            ("invoice-o-7", {"amount": 40}, None),
            ("vote", {"by": "Ada"}, "ada"),
            ("vote", {"by": "Ada"}, "ada"),
            ("vote", {"by": "Bob"}, "bob"),
        ]:
            sent = await run.signal(name, payload, deduplication_id=key)
            print(f"{name}: {sent.status}, {sent.step_key}")
        result = await run.wait(timeout=30)
    for key in ("votes", "payment", "thank"):
        print(f"{key}: {result.steps[key].output}")
    print(f"run: {result.status}")
    return 0 if result.succeeded else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
