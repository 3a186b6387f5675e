"""``floworch limits``."""

from __future__ import annotations

import asyncio

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import new_table, stderr_console, stdout_console
from floworch.cli.views.limit_text import limit_document, limit_words
from floworch.limits import LimitStatus

__all__ = ["app", "limits"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def limits(target: TargetText, as_json: JsonFlag = False, debug: Debug = False) -> None:
    """List limits, and how much of them is used.

    A worker makes the limits of its flows and handlers known when it starts. What is set in place of the code has a
    star.
    """
    found = asyncio.run(_list(target))
    if as_json:
        print_json([limit_document(each) for each in found])
    elif found:
        _print(found)
    else:
        stderr_console().print("nothing is limited", style="yellow")


async def _list(target: str) -> list[LimitStatus]:
    async with opened_for_questions(target) as orchestrator:
        return await orchestrator.limits.list()


def _print(found: list[LimitStatus]) -> None:
    console = stdout_console()
    table = new_table(console.options)
    for title in ("name", "limit", "running", "ready"):
        table.add_column(title, no_wrap=True)
    for each in found:
        star = "" if each.override is None else " *"
        table.add_row(each.name, limit_words(each.limit) + star, str(each.running), str(each.waiting))
    console.print(table)
