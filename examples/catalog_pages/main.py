"""Copy the catalogue once and print what came of it: ``python -m examples.catalog_pages.main``."""

from __future__ import annotations

import asyncio
import sys

from examples.catalog_pages.app import orchestrator
from examples.catalog_pages.flow import CatalogFlow


async def main() -> int:
    """Exit code 0 when the run succeeded, 1 when it did not."""
    async with orchestrator() as flows:
        run = await flows.trigger(CatalogFlow)
        result = await run.wait(timeout=30)
    pages, covers = result.steps["pages"], result.steps["covers"]
    print(f"pages: {pages.progress and pages.progress['started']}, books: {pages.output}")
    print(f"covers: {covers.output}, of which {covers.loop and covers.loop['failed']} was not found")
    print(f"run: {result.status}")
    return 0 if result.succeeded else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
