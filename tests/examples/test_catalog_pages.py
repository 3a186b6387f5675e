"""The example of loops that go on until a condition holds, and of items that may fail."""

from __future__ import annotations

from examples.catalog_pages.app import orchestrator
from examples.catalog_pages.flow import CatalogFlow
from examples.catalog_pages.handlers import CATALOG, Shelf


async def test_every_page_is_saved_and_a_missing_cover_is_done_without() -> None:
    shelf = Shelf()
    async with orchestrator(shelf) as flows:
        run = await flows.trigger(CatalogFlow)
        result = await run.wait(timeout=30)

    assert result.succeeded
    assert tuple(shelf.books) == CATALOG
    assert result.steps["pages"].output == len(CATALOG)
    assert result.steps["covers"].output == ["emma.png", "dracula.png", "ulysses.png", None, "persuasion.png"]
