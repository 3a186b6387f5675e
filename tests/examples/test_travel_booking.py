from __future__ import annotations

from typing import Any

from examples.travel_booking.app import orchestrator
from examples.travel_booking.flows import TripFlow
from floworch import RunStatus
from floworch.results import RunResult


async def booked(body: dict[str, Any]) -> tuple[RunResult, list[RunStatus]]:
    async with orchestrator() as flows:
        result = await (await flows.trigger(TripFlow, body=body)).wait(timeout=30)
        children = (await flows.list_runs(parent=result.run_id)).runs
    return result, sorted(run.status for run in children)


async def test_a_trip_is_booked_without_the_excursion_that_nobody_offers() -> None:
    result, bookings = await booked({"place": "Lisbon", "excursions": ["museum", "zeppelin"]})

    assert result.succeeded
    assert result.steps["hotel"].output == "hotel in Lisbon for 240"
    assert result.output == ["museum in Lisbon for 12", None]
    assert bookings == [RunStatus.FAILED, RunStatus.SUCCEEDED, RunStatus.SUCCEEDED]


async def test_a_trip_without_excursions_is_a_hotel() -> None:
    result, bookings = await booked({"place": "Porto", "excursions": []})

    assert result.output == []
    assert bookings == [RunStatus.SUCCEEDED]
