"""``floworch cancel``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from floworch.cli.documents import run_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.core.model.records import RunRecord

__all__ = ["app", "cancel"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def cancel(
    target: TargetText,
    run: RunId,
    reason: Annotated[
        str | None, typer.Option("--reason", "-r", metavar="TEXT", help="For people; shown with the run.")
    ] = None,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Stop a run.

    Nothing new starts, waiting steps are skipped, and steps that are running are asked to stop; the run ends as
    Cancelled when they have. Exits with 4 when the run has ended already.
    """
    record = asyncio.run(_cancel(target, run, reason, by))
    if as_json:
        print_json(run_document(record))
    elif record.status.is_final:
        stdout_console().print(f"run {record.id} is {record.status}")
    else:
        stdout_console().print(f"run {record.id} is being cancelled: steps that are running are asked to stop")


async def _cancel(target: str, run: str, reason: str | None, by: str | None) -> RunRecord:
    async with opened_for_questions(target) as orchestrator:
        await orchestrator.cancel(run, reason, by=by)
        return (await orchestrator.get_run(run, payloads=False)).run
