"""A catalogue that comes in pages: fetch and save one after the other until there is no next page, then count."""

from __future__ import annotations

from uuid import UUID

from floworch import FlowDefinition, FlowManifest, ForEach, ManualTrigger, Step, Until

__all__ = ["CatalogFlow"]


class CatalogFlow(FlowDefinition):
    """Copies a catalogue, page by page; then looks for the covers, and does without those it cannot find."""

    id = UUID("5b1d3c52-8a0a-4c0c-9c6e-1f1f0a5d7e01")
    manifest = FlowManifest(
        triggers={"manual": ManualTrigger()},
        steps={
            "pages": Until(
                until="@steps('fetch').output.next == null",
                max_iterations=50,
                delay=0.1,  # the catalogue asks its visitors to be patient
                steps={
                    "fetch": Step(type="FetchPage", inputs={"page": "@index()"}),
                    "save": Step(
                        type="SaveBooks", run_after=["fetch"], inputs={"books": "@steps('fetch').output.books"}
                    ),
                },
            ),
            "titles": Step(type="ListTitles", run_after=["pages"]),
            "covers": ForEach(
                for_each="@steps('titles').output",
                run_after=["titles"],
                concurrency_limit=4,
                on_item_failure="continue",
                steps={"cover": Step(type="FindCover", inputs={"title": "@item()"})},
            ),
            "report": Step(
                type="LogMessage",
                run_after=["covers"],
                inputs={"message": "@{length(steps('titles').output)} books, covers: @{steps('covers').output}"},
            ),
        },
    )
