"""Book a trip and print what came of its parts: ``python -m examples.travel_booking.main``."""

from __future__ import annotations

import asyncio
import sys

from examples.travel_booking.app import orchestrator
from examples.travel_booking.flows import TripFlow


async def main() -> int:
    """Exit code 0 when the trip is booked, 1 when it is not."""
    async with orchestrator() as flows:
        trip = await flows.trigger(TripFlow, body={"place": "Lisbon", "excursions": ["museum", "zeppelin", "boat"]})
        result = await trip.wait(timeout=30)
        bookings = (await flows.list_runs(parent=result.run_id)).runs
    print(f"hotel: {result.steps['hotel'].output}")
    print(f"excursions: {result.output}")
    for booking in reversed(bookings):
        print(f"{booking.parent_step_key}: {booking.status}")
    print(f"trip: {result.status}")
    return 0 if result.succeeded else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
