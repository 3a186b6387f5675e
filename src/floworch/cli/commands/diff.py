"""``floworch diff``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_to_compare
from floworch.cli.parameters import Debug, FlowName, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import new_table, stdout_console
from floworch.cli.targets import load_target
from floworch.core.model.diff import ManifestDiff, Verdict
from floworch.core.model.manifest import FlowManifest

__all__ = ["app", "diff"]

app = command_app()

_LATEST = "latest"
_STYLES = {Verdict.SAFE: "green", Verdict.AFFECTS_WAITING_RUNS: "yellow", Verdict.BREAKING: "bold red"}


@app.command(cls=TargetCommand)
@ends_with_exit_code
def diff(
    target: TargetText,
    flow: FlowName,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="latest|HASH|FILE",
            help="The version that was in the storage before, one by the beginning of its hash, or a manifest file.",
        ),
    ] = _LATEST,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> ExitCode:
    """Say what has changed in a flow, and what that means for runs that are under way.

    Compares the code with an earlier version. Exits with 1 when a change is breaking: a run that has come that far
    cannot be migrated, or something that starts runs does so no more. Runs keep their version unless they are migrated.
    """
    found = asyncio.run(_diff(target, flow, against))
    if as_json:
        print_json({"verdict": found.verdict, "changes": found.changes})
    else:
        _print(stdout_console(), found)
    return ExitCode.FAILED if found.is_breaking else ExitCode.OK


async def _diff(target: str, flow: str, against: str) -> ManifestDiff:
    if Path(against).suffix in (".json", ".yaml", ".yml"):
        code = load_target(target).orchestrator().flow(flow).manifest
        return FlowManifest.from_file(against).diff(code)
    async with opened_to_compare(target) as orchestrator:
        code = orchestrator.flow(flow).manifest
        if against != _LATEST:
            return await orchestrator.versions.diff(flow, against)
        others = [each for each in await orchestrator.versions.list(flow) if each.manifest_hash != code.content_hash]
        return await orchestrator.versions.diff(flow, others[-1].manifest_hash) if others else code.diff(code)


def _print(console: Console, found: ManifestDiff) -> None:
    if not found.changes:
        console.print("nothing has changed", style="green")
        return
    table = new_table(console.options)
    for title in ("verdict", "path", "change"):
        table.add_column(title, overflow="fold")
    for change in found.changes:
        verdict = Text(change.verdict.replace("_", " "), _STYLES[change.verdict])
        table.add_row(verdict, change.path, f"{change.kind}: {change.text}")
    console.print(table)
