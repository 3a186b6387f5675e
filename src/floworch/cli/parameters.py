"""Arguments and options that several commands share."""

from __future__ import annotations

import getpass
import os
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand

__all__ = [
    "TARGET_VARIABLE",
    "By",
    "Debug",
    "FlowName",
    "JsonFlag",
    "RunId",
    "TargetCommand",
    "TargetText",
    "TriggerKey",
    "command_app",
    "default_target",
]

TARGET_VARIABLE = "FLOWORCH_TARGET"

TargetText: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        show_default=False,
        help=f"MODULE:ATTRIBUTE or path/to/file.py:ATTRIBUTE of the orchestrator. Default: ${TARGET_VARIABLE}.",
    ),
]
RunId: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", show_default=False, help="Id of the run.")]
By: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="NAME",
        show_default=False,
        callback=lambda name: _login_name() if name is None else name,
        help="Who does it, for the history. Default: your login name.",
    ),
]
FlowName: TypeAlias = Annotated[str, typer.Argument(metavar="FLOW", show_default=False, help="Name or id of the flow.")]
TriggerKey: TypeAlias = Annotated[
    str, typer.Argument(metavar="TRIGGER", show_default=False, help="Key of the trigger in the flow.")
]
JsonFlag: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Debug: TypeAlias = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def command_app() -> typer.Typer:
    """The app of a module that holds one command."""
    return typer.Typer(
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def default_target() -> str | None:
    """The target that the environment names."""
    return os.environ.get(TARGET_VARIABLE) or None


def _login_name() -> str | None:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container whose user has no name
        return None


class TargetCommand(TyperCommand):
    """Puts the environment's target first when an argument is missing: ``floworch show RUN``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        target = default_target()
        if target is not None and self._lacks_argument(ctx, args):
            args = [target, *args]
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # which is pydantic's, for programmers
            raise

    def _lacks_argument(self, ctx: Any, args: list[str]) -> bool:
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        needed = [each.name for each in self.get_params(ctx) if each.param_type_name == "argument" and each.required]
        # Where a command takes more than it needs, what stands first may be no target: those have a colon.
        return any(not given.get(name) for name in needed) or ":" not in given["target"]
