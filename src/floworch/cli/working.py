"""The life of a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from rich.text import Text

from floworch.cli.exits import ExitCode
from floworch.cli.interrupts import StopRequests
from floworch.cli.json_output import json_text
from floworch.cli.opening import opened
from floworch.cli.screen import stderr_console
from floworch.cli.storage_words import storage_words
from floworch.cli.words import plural
from floworch.core.model.manifest import AnyStep, Block
from floworch.orchestrator import FlowOrchestrator

__all__ = ["work_until_stopped"]


def work_until_stopped(orchestrator: FlowOrchestrator, target: str, *, as_json: bool) -> ExitCode:
    """Run steps until the first SIGTERM or Ctrl-C, then drain."""
    return asyncio.run(_work(orchestrator, target, as_json=as_json))


async def _work(orchestrator: FlowOrchestrator, target: str, *, as_json: bool) -> ExitCode:
    with StopRequests() as stop:
        async with opened(orchestrator, work=True):
            _say("worker_started", _about(orchestrator, target), as_json=as_json)
            await stop.wait()
            drain_seconds = orchestrator.settings.drain_seconds
            _say("worker_stopping", {"drain_seconds": drain_seconds}, as_json=as_json)
        _say("worker_stopped", {}, as_json=as_json)
    return ExitCode.OK


def _about(orchestrator: FlowOrchestrator, target: str) -> dict[str, object]:
    return {
        "target": target,
        "worker_id": orchestrator.settings.worker_id,
        "storage": storage_words(orchestrator),
        "flows": {flow.name: sorted(set(_types(flow.manifest.steps))) for flow in orchestrator.flows},
    }


def _types(steps: Mapping[str, AnyStep]) -> Iterator[str]:
    for step in steps.values():
        if isinstance(step, Block):
            for branch in step.branches().values():
                yield from _types(branch)
        else:
            yield step.type


def _say(event: str, fields: dict[str, object], *, as_json: bool) -> None:
    console = stderr_console()
    if as_json:
        console.print(json_text({"event": event, **fields}))
    elif event == "worker_started":
        _print_start(fields)
    elif event == "worker_stopping":
        console.print(
            f"stopping: steps under way may finish within {fields['drain_seconds']:g} s; a second signal quits at once",
            style="yellow",
        )
    else:
        console.print("stopped", style="green")


def _print_start(fields: dict[str, object]) -> None:
    console = stderr_console()
    flows = fields["flows"]
    assert isinstance(flows, dict)
    console.print(Text.assemble(("floworch worker ", "bold"), str(fields["worker_id"])))
    console.print(f"  storage  {fields['storage']}")
    for name, types in flows.items():
        console.print(Text.assemble("  flow     ", (name, "bold"), f"  {', '.join(types)}"))
    console.print(f"working on {plural(len(flows), 'flow')}; Ctrl-C stops", style="green")
