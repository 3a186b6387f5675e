"""The example that orders a report from an API and waits for it."""

from __future__ import annotations

import pytest

from examples.report_export.main import main


async def test_its_program_orders_waits_and_downloads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPORTS_TOKEN", "is replaced by the program")

    assert await main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "order    Succeeded attempts: 2  {'id': 'r-1'}" in lines
    assert "wait     Succeeded attempts: 2  {'state': 'ready', 'file': '/files/r-1.csv'}" in lines
    assert "download Succeeded attempts: 1  month,orders 1,17 2,23 " in lines
    assert lines[-2:] == ["The token is nowhere in the history.", "Succeeded"]
