"""``floworch complete``."""

from __future__ import annotations

from typing import Annotated

import typer

from floworch.cli.body import read_body
from floworch.cli.controlling import OpenStep, act_on_run, tell
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.orchestrator import FlowOrchestrator

__all__ = ["app", "complete"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def complete(
    target: TargetText,
    run: RunId,
    step: OpenStep,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="JSON", help="JSON, or @FILE, or - for standard input. Default: null."),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", "-r", metavar="TEXT", help="For people; shown with the step.")
    ] = None,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """End a step as Succeeded, by hand.

    The run goes on with the output that you give. The handler of the step is asked to stop, and what it reports counts
    no more. Exits with 4 when the step has ended or not begun, and for a loop or scope.
    """

    async def act(runs: FlowOrchestrator) -> None:
        value = read_body(output, max_bytes=runs.settings.max_payload_bytes, option="--output")
        await runs.complete_step(run, step, value, reason=reason, by=by)

    record = act_on_run(target, run, act)
    tell(record, f"step {step!r} of run {record.id} is Succeeded", as_json=as_json)
