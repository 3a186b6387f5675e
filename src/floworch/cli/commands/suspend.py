"""``floworch suspend``."""

from __future__ import annotations

from floworch.cli.controlling import Reason, act_on_run, tell
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app

__all__ = ["app", "suspend"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def suspend(
    target: TargetText,
    run: RunId,
    reason: Reason = None,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Start no more steps of a run until it is resumed.

    Steps that are running may end, timers and the deadline go on, and signals come. Exits with 4 when the run has
    ended, is suspended already or is being stopped.
    """
    record = act_on_run(target, run, lambda runs: runs.suspend(run, reason, by=by))
    tell(record, f"run {record.id} is suspended: no step is started before it is resumed", as_json=as_json)
