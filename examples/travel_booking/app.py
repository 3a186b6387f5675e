"""The orchestrator. On the command line: ``floworch check examples.travel_booking.app:orchestrator``."""

from __future__ import annotations

from examples.travel_booking.flows import BookingFlow, TripFlow
from examples.travel_booking.steps import book, find_offer
from floworch import FlowOrchestrator

__all__ = ["orchestrator"]


def orchestrator() -> FlowOrchestrator:
    """An orchestrator that keeps its runs in memory, and loses them when the process ends."""
    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime()
    return builder.add_flow(TripFlow, BookingFlow).add_handlers(find_offer, book).build()
