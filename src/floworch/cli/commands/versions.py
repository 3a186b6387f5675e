"""``floworch versions``."""

from __future__ import annotations

import asyncio

from rich.console import Console

from floworch.cli.documents import version_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_to_compare
from floworch.cli.parameters import Debug, FlowName, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import new_table, stdout_console
from floworch.cli.words import local_day_and_time
from floworch.core.model.records import FlowVersion

__all__ = ["app", "versions"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def versions(target: TargetText, flow: FlowName, as_json: JsonFlag = False, debug: Debug = False) -> None:
    """List the versions that a flow has had, and how many runs that go on keep each of them.

    The one that a process has started with last comes last.
    """
    found = asyncio.run(_versions(target, flow))
    if as_json:
        print_json([version_document(each) for each in found])
    else:
        _print(stdout_console(), found)


async def _versions(target: str, flow: str) -> list[FlowVersion]:
    async with opened_to_compare(target) as orchestrator:
        return await orchestrator.versions.list(flow)


def _print(console: Console, found: list[FlowVersion]) -> None:
    table = new_table(console.options)
    for title in ("version", "hash", "first seen", "last started"):
        table.add_column(title, no_wrap=True)
    table.add_column("live runs", justify="right")
    for each in found:
        seen = (local_day_and_time(each.first_seen), local_day_and_time(each.last_seen))
        table.add_row(each.version, each.manifest_hash[:12], *seen, str(each.live_runs))
    console.print(table)
