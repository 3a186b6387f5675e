"""``floworch worker``."""

from __future__ import annotations

from typing import Annotated

import typer

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.logs import LOG_LEVELS, LogLevel, configure_logs
from floworch.cli.opening import require_shared
from floworch.cli.parameters import Debug, TargetCommand, TargetText, command_app
from floworch.cli.targets import load_target
from floworch.cli.working import work_until_stopped

__all__ = ["app", "worker"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def worker(
    target: TargetText,
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", metavar=LOG_LEVELS, help="What to log to stderr.")
    ] = LogLevel.INFO,
    as_json: Annotated[bool, typer.Option("--json", help="Log in JSON, one object per line.")] = False,
    debug: Debug = False,
) -> ExitCode:
    """Run steps until told to stop.

    SIGTERM or Ctrl-C stops it: no new step starts, those under way may finish for a while, and what is left is handed
    to other workers at once. A second signal quits without waiting. Start as many workers as you like.
    """
    configure_logs(log_level, as_json=as_json)
    loaded = load_target(target)
    orchestrator = loaded.orchestrator()
    require_shared(loaded, orchestrator)
    return work_until_stopped(orchestrator, target, as_json=as_json)
