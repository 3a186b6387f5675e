"""What the command line shows of runs that other runs have started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.commands import call

APP = """
    import os
    from uuid import UUID

    from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, Step

    class Parent(FlowDefinition):
        id = UUID(int=1)
        manifest = FlowManifest(steps={"call": Step(type="RunFlow", inputs={"flow": "Child"})})

    class Child(FlowDefinition):
        id = UUID(int=2)
        manifest = FlowManifest(steps={"say": Step(type="LogMessage", inputs={"message": "hi"})})

    def family():
        builder = FlowOrchestrator.builder().use_sqlite(os.environ["ORDERS_DB"]).use_asyncio_runtime()
        return builder.add_flow(Parent, Child)
"""


def test_lineage_is_shown_both_ways(write_module: Callable[[str, str], Path]) -> None:
    target = f"{write_module('family_app.py', APP)}:family"
    parent = str(call("run", target, "Parent", "--json").lines[0]["run"]["id"])

    [child] = call("runs", target, "--parent", parent, "--json").document["runs"]

    assert (child["parentRunId"], child["parentStepKey"]) == (parent, "call")
    shown = call("show", target, child["id"]).out
    assert parent in shown.replace("\n", "")
    step = call("show", target, parent, "--step", "call").out
    assert child["id"] in step
    assert "RunFlow" in step
    assert f"started the run {child['id'][:8]}" in call("show", target, parent, "--history").out
    assert call("show", target, parent, "--json").document["output"] == {"logged": "hi"}
