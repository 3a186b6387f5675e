"""The orchestrator. On the command line: ``floworch check examples.order_fulfillment.app:orchestrator``."""

from __future__ import annotations

from examples.order_fulfillment import handlers
from examples.order_fulfillment.flow import OrderFulfillmentFlow
from examples.order_fulfillment.gateway import PaymentGateway
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator(gateway: PaymentGateway | None = None) -> FlowOrchestrator:
    """An orchestrator in memory; ``gateway`` is lent to the handlers that ask for one."""
    return (
        FlowOrchestrator.builder()
        .use_in_memory()
        .use_asyncio_runtime()
        .add_flow(OrderFulfillmentFlow)
        .add_handlers(handlers)
        .add_service(gateway or PaymentGateway())
        .build()
    )
