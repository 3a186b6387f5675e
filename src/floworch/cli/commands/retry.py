"""``floworch retry``."""

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

__all__ = ["app", "retry"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def retry(
    target: TargetText,
    run: RunId,
    step: Annotated[
        str,
        typer.Argument(metavar="STEP", show_default=False, help="Key of the failed step; in loops: months.3.charge."),
    ],
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Run a failed step again.

    What was skipped because of it is planned anew, and a run that had ended goes on. A worker takes the step. Exits
    with 4 when the step has not failed.
    """
    record = asyncio.run(_retry(target, run, step, by))
    if as_json:
        print_json(run_document(record))
    else:
        stdout_console().print(f"step {step!r} of run {record.id} is ready again; a worker takes it")


async def _retry(target: str, run: str, step: str, by: str | None) -> RunRecord:
    async with opened_for_questions(target) as orchestrator:
        await orchestrator.retry(run, step, by=by)
        return (await orchestrator.get_run(run, payloads=False)).run
