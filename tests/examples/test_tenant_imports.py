"""The example with limits."""

from __future__ import annotations

from pathlib import Path

from examples.tenant_imports.app import orchestrator
from examples.tenant_imports.main import import_files, most_at_once


async def test_no_tenant_loads_more_than_two_files_at_once_and_all_together_no_more_than_five(tmp_path: Path) -> None:
    async with orchestrator(tmp_path / "imports.db") as flows:
        results = await import_files(flows, {"big": 8, "north": 2, "south": 2})

    assert all(result.succeeded for result in results)
    assert max(most_at_once([result]) for result in results) == 2
    assert most_at_once(results) <= 5
