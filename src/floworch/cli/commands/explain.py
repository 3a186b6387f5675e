"""``floworch explain``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.views.explanation_text import explanation_lines
from floworch.core.explain import Explanation

__all__ = ["app", "explain"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def explain(
    target: TargetText,
    run: RunId,
    step: Annotated[
        str | None,
        typer.Argument(metavar="STEP", show_default=False, help="Key of one step; in loops: months.3.charge."),
    ] = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Say why a run or a step is not running, not done, skipped or failed.

    Changes nothing. What only a process can know, such as which handlers there are, is told as this process knows it.
    """
    explanation = asyncio.run(_explain(target, run, step))
    if as_json:
        print_json(explanation.to_json())
        return
    console = stdout_console()
    for line in explanation_lines(explanation):
        console.print(line)


async def _explain(target: str, run: str, step: str | None) -> Explanation:
    async with opened_for_questions(target) as orchestrator:
        return await orchestrator.explain(run, step)
