"""``floworch resume``."""

from __future__ import annotations

from floworch.cli.controlling import act_on_run, tell
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app

__all__ = ["app", "resume"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def resume(
    target: TargetText,
    run: RunId,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Go on with a suspended run.

    Exits with 4 when it is not suspended.
    """
    record = act_on_run(target, run, lambda runs: runs.resume(run, by=by))
    tell(record, f"run {record.id} goes on", as_json=as_json)
