"""A trip, and the booking of one of its parts."""

from __future__ import annotations

from uuid import UUID

from floworch import FlowDefinition, FlowManifest, ForEach, ManualTrigger, Step

__all__ = ["BookingFlow", "TripFlow"]


class BookingFlow(FlowDefinition):
    """Books one part of a trip: looks for an offer and takes it."""

    id = UUID("3f0a2b5e-94a7-4f0c-9c57-0d4c1c6f7a01")
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "offer": Step(type="FindOffer", inputs={"kind": "@triggerBody().kind", "place": "@triggerBody().place"}),
            "book": Step(type="Book", run_after=["offer"], inputs={"offer": "@steps('offer').output"}),
        },
    )


class TripFlow(FlowDefinition):
    """Books all parts at once. An excursion is nice to have; without a hotel there is no trip."""

    id = UUID("3f0a2b5e-94a7-4f0c-9c57-0d4c1c6f7a02")
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "hotel": Step(
                type="RunFlow",
                inputs={"flow": "BookingFlow", "body": {"kind": "hotel", "place": "@triggerBody().place"}},
            ),
            "excursions": ForEach(
                for_each="@triggerBody().excursions",
                concurrency_limit=5,
                run_after=["hotel"],
                steps={
                    "excursion": Step(
                        type="RunFlow",
                        inputs={
                            "flow": "BookingFlow",
                            "body": {"kind": "@item()", "place": "@triggerBody().place"},
                            "onChildFailure": "continue",
                        },
                    ),
                },
            ),
        },
    )
