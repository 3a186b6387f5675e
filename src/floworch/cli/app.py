"""The list of commands, and the loading of the one that is called."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import floworch

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = {
    "check": "Validate flows and report every problem of all of them.",
    "run": "Start one run of a flow and follow it.",
    "dev": "Run a worker with readable logs, for development.",
    "worker": "Run steps until told to stop.",
    "runs": "List runs, newest first.",
    "show": "Show one run: its steps, its history, one step in full.",
    "explain": "Say why a run or a step is not running, not done, skipped or failed.",
    "cancel": "Stop a run.",
    "retry": "Run a failed step again, or all of them.",
    "rerun": "Start the flow of a run once more.",
    "fork": "Start a new run that goes on from a step of an older one.",
    "signal": "Send a signal to a run.",
    "suspend": "Start no more steps of a run until it is resumed.",
    "resume": "Go on with a suspended run.",
    "complete": "End a step as Succeeded, by hand.",
    "fail": "End a step as Failed, by hand.",
    "skip": "End a step as Skipped, by hand.",
    "run-now": "Let a step that waits for a time go on at once.",
    "schedules": "List schedules.",
    "schedule": "Show one schedule, pause it, change it, trigger it.",
    "backfill": "Start runs for ticks of the past.",
    "limits": "List limits, and how much of them is used.",
    "limit": "Show one limit, or set another one in place of what the code says.",
    "bulk": "Do the same to many runs.",
    "versions": "List the versions that a flow has had, and how many runs that go on keep each of them.",
    "diff": "Say what has changed in a flow, and what that means for runs that are under way.",
    "prune": "Delete runs that ended long ago.",
    "migrate": "Bring the database to the schema of this version.",
    "mermaid": "Draw a flow as a Mermaid diagram.",
    "schema": "Print the JSON Schema of manifests, for editors.",
    "health": "Say whether anything is later than it should be.",
    "doctor": "Look for what is wrong with the installation, the target and its storage.",
}
"""Command → its summary. Each is a module of :mod:`floworch.cli.commands`; ``--help`` loads none of them."""

EPILOG = """\
TARGET says where the flows are: MODULE:ATTRIBUTE or path/to/file.py:ATTRIBUTE. It may be left out when the environment
variable FLOWORCH_TARGET is set.

Exit codes: 0 fine; 1 the run failed, or problems were found; 2 wrong usage; 3 not found; 4 not possible now;
5 storage unavailable; 130 interrupted."""


class _Commands(TyperGroup):
    """Loads the module of a command when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"floworch.cli.commands.{cmd_name.replace('-', '_')}")
        return typer.main.get_command(module.app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    name="floworch",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"floworch {floworch.__version__}")
        raise typer.Exit


@app.callback()
def _floworch(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Durable workflows: check flows, run them, and look after their runs."""


def main() -> None:
    """Entry point of the ``floworch`` script."""
    app(prog_name="floworch")
