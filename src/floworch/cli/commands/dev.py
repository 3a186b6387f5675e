"""``floworch dev``."""

from __future__ import annotations

from typing import Annotated

import typer

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.logs import LOG_LEVELS, LogLevel, configure_logs
from floworch.cli.opening import is_shared
from floworch.cli.parameters import Debug, TargetCommand, TargetText, command_app
from floworch.cli.screen import stderr_console
from floworch.cli.targets import load_target
from floworch.cli.working import work_until_stopped

__all__ = ["app", "dev"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def dev(
    target: TargetText,
    log_level: Annotated[
        LogLevel, typer.Option("--log-level", metavar=LOG_LEVELS, help="What to log to stderr.")
    ] = LogLevel.DEBUG,
    debug: Debug = False,
) -> ExitCode:
    """Run a worker with readable logs, for development.

    Like the command worker, with more to read. It does not watch the source files yet: start it again after a change.
    """
    configure_logs(log_level)
    orchestrator = load_target(target).orchestrator()
    if not is_shared(orchestrator):
        stderr_console().print(
            "the storage is in memory: no other process can start runs here, and nothing outlives this one",
            style="yellow",
        )
    return work_until_stopped(orchestrator, target, as_json=False)
