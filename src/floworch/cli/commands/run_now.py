"""``floworch run-now``."""

from __future__ import annotations

from floworch.cli.controlling import OpenStep, act_on_run, tell
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app

__all__ = ["app", "run_now"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def run_now(
    target: TargetText,
    run: RunId,
    step: OpenStep,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Let a step that waits for a time go on at once.

    It may wait for its next attempt, for a poll, for the end of a delay, or for the next iteration of a loop. Exits
    with 4 when it does not.
    """
    record = act_on_run(target, run, lambda runs: runs.run_step_now(run, step, by=by))
    tell(record, f"step {step!r} of run {record.id} waits no longer", as_json=as_json)
