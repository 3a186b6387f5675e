"""``floworch fork``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from floworch.cli.body import read_body
from floworch.cli.documents import run_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.words import plural
from floworch.core.engine.reruns import KEEP
from floworch.core.model.payload import Json
from floworch.results import RunResult

__all__ = ["app", "fork"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def fork(
    target: TargetText,
    run: RunId,
    step: Annotated[
        str,
        typer.Argument(
            metavar="STEP", show_default=False, help="Key of the first step to run; in loops: months.3.pay."
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", "-i", metavar="NAME=JSON", help="Another input of the step; may be given several times."
        ),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option("--body", "-b", metavar="JSON", help="Another body: JSON, or @FILE, or - for standard input."),
    ] = None,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Start a new run that goes on from a step of an older one.

    What does not come after the step is taken over as it has ended, and does not run again. The older run stays as it
    is. Exits with 4 when what came later has changed what the step would rest on.
    """
    result = asyncio.run(_fork(target, run, step, inputs or [], body, by))
    if as_json:
        print_json(run_document(result.run))
        return
    taken_over = sum(found.reused_from is not None for found in result.steps.values())
    told = f"with {plural(taken_over, 'step')} taken over" if taken_over else "from the beginning"
    stdout_console().print(f"run {result.run.id} is a fork of {run}, {told}; a worker runs it")


async def _fork(target: str, run: str, step: str, inputs: list[str], body: str | None, by: str | None) -> RunResult:
    async with opened_for_questions(target) as orchestrator:
        most = orchestrator.settings.max_payload_bytes
        given = KEEP if body is None else read_body(body, max_bytes=most)
        edited = dict(_input(each, most) for each in inputs)
        handle = await orchestrator.fork(run, step, body=given, inputs=edited or None, by=by)
        return await orchestrator.get_run(handle.run_id, payloads=False)


def _input(given: str, most_bytes: int) -> tuple[str, Json]:
    name, separator, text = given.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"{given!r} is not NAME=JSON.", param_hint="--input")
    return name, read_body(text, max_bytes=most_bytes, option="--input")
