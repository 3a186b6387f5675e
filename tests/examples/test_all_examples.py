"""What holds for every example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.approval.flow import PurchaseFlow
from examples.catalog_pages.flow import CatalogFlow
from examples.hello_world.flow import HelloWorldFlow
from examples.money_transfer.flow import TransferFlow
from examples.nightly_report.flow import NightlyReport
from examples.order_fulfillment.flow import OrderFulfillmentFlow
from examples.report_export.flow import ReportFlow
from examples.tenant_imports.flow import TenantImport
from examples.travel_booking.flows import BookingFlow, TripFlow
from examples.weather_report.flow import WeatherReportFlow
from floworch import FlowDefinition, FlowManifest
from floworch.core.dag.mermaid import to_mermaid
from floworch.core.dag.validate import validate_flows

ROOT = Path(__file__).resolve().parents[2]
FLOWS: list[type[FlowDefinition]] = [
    PurchaseFlow,
    CatalogFlow,
    HelloWorldFlow,
    NightlyReport,
    OrderFulfillmentFlow,
    TransferFlow,
    ReportFlow,
    TenantImport,
    TripFlow,
    BookingFlow,
    WeatherReportFlow,
]
FOLDERS = sorted(path.parent for path in (ROOT / "examples").glob("*/README.md"))


def test_their_flows_have_no_problems_and_nothing_twice() -> None:
    assert validate_flows(FLOWS, None) == []


@pytest.mark.parametrize("flow", FLOWS)
def test_their_diagrams_show_every_step(flow: type[FlowDefinition]) -> None:
    diagram = to_mermaid(flow)

    assert diagram.startswith("flowchart TD")
    assert [key for key in flow.manifest.steps if not re.search(rf'"(. )?{re.escape(key)}<br/>', diagram)] == []


@pytest.mark.parametrize("flow", FLOWS)
def test_their_manifests_survive_json(flow: type[FlowDefinition]) -> None:
    assert FlowManifest.from_json(flow.manifest.to_json()) == flow.manifest


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_their_readmes_are_short_and_name_every_module(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"}

    assert len(readme.splitlines()) <= 40
    assert [name for name in sorted(modules) if name not in readme] == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_they_run_as_programs(folder: Path, tmp_path: Path) -> None:
    program = subprocess.run(
        [sys.executable, "-m", f"examples.{folder.name}.main"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    assert program.returncode == 0, program.stderr
    assert "Succeeded" in program.stdout
