"""``floworch fail``."""

from __future__ import annotations

from typing import Annotated

import typer

from floworch.cli.controlling import OpenStep, act_on_run, tell
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app

__all__ = ["app", "fail"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def fail(
    target: TargetText,
    run: RunId,
    step: OpenStep,
    reason: Annotated[
        str, typer.Option("--reason", "-r", metavar="TEXT", show_default=False, help="For people; shown with the step.")
    ],
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """End a step as Failed, by hand.

    Its handler is asked to stop, and no policy tries it again; `floworch retry` does. Exits with 4 when the step has
    ended or not begun, and for a loop or scope.
    """
    record = act_on_run(target, run, lambda runs: runs.fail_step(run, step, reason, by=by))
    tell(record, f"step {step!r} of run {record.id} is Failed", as_json=as_json)
