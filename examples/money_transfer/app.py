"""The orchestrator. On the command line: ``floworch check examples.money_transfer.app:orchestrator``."""

from __future__ import annotations

from examples.money_transfer.bank import Bank, deposit, withdraw
from examples.money_transfer.flow import TransferFlow
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator(bank: Bank | None = None) -> FlowOrchestrator:
    """An orchestrator with these accounts, or with two of its own."""
    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime()
    builder.add_flow(TransferFlow).add_handlers(withdraw, deposit)
    return builder.add_service(bank or Bank({"ada": 100, "bob": 0})).build()
