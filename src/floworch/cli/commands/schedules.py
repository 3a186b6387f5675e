"""``floworch schedules``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from floworch.cli.documents import schedule_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import new_table, stderr_console, stdout_console
from floworch.cli.views.schedule_text import next_words
from floworch.cli.words import local_day_and_time
from floworch.schedules import Schedule

__all__ = ["app", "schedules"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def schedules(
    target: TargetText,
    flow: Annotated[
        str | None, typer.Option("--flow", "-f", metavar="FLOW", help="Only those of the flow with this name or id.")
    ] = None,
    retired: Annotated[bool, typer.Option("--retired", help="Those, too, that are in the code no more.")] = False,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """List schedules.

    Shows when each one is due, and what keeps it from being. A worker makes the schedules of its flows known when it
    starts.
    """
    found = asyncio.run(_list(target, flow, retired=retired))
    if as_json:
        print_json([schedule_document(each) for each in found])
    else:
        _print(stdout_console(), found)


async def _list(target: str, flow: str | None, *, retired: bool) -> list[Schedule]:
    async with opened_for_questions(target) as orchestrator:
        return await orchestrator.schedules.list(flow, retired=retired)


def _print(console: Console, found: list[Schedule]) -> None:
    if not found:
        stderr_console().print("no schedules", style="yellow")
        return
    table = new_table(console.options)
    for title in ("flow", "trigger", "when", "next", "last tick"):
        table.add_column(title, no_wrap=True)
    for each in found:
        last = "" if each.last_tick_at is None else local_day_and_time(each.last_tick_at)
        table.add_row(each.flow, each.trigger, each.in_words, next_words(each), last)
    console.print(table)
