"""Errors of the command line itself, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, ParamSpec

import typer

from floworch.cli.exits import ExitCode, exit_code_of
from floworch.cli.json_output import json_text
from floworch.cli.screen import stderr_console
from floworch.errors import FloworchError, FlowValidationError

__all__ = ["TargetError", "ends_with_exit_code"]

P = ParamSpec("P")


class TargetError(FloworchError):
    """A target cannot be loaded, or is not what the command needs."""


def ends_with_exit_code(command: Callable[P, Any]) -> Callable[P, None]:
    """Turn what a command returns or raises into its exit code.

    ``--debug`` adds the traceback to the message, ``--json`` makes the message one line of JSON on stderr.
    """

    @functools.wraps(command)
    def reporting(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except FloworchError as error:
            _report(error, as_json=bool(kwargs.get("as_json")), debug=bool(kwargs.get("debug")))
            code = exit_code_of(error)
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
        except BrokenPipeError:
            code = _stdout_is_gone()
        raise typer.Exit(int(code or 0))

    return reporting


def _report(error: FloworchError, *, as_json: bool, debug: bool) -> None:
    if debug:
        sys.stderr.write("".join(traceback.format_exception(error)))
    elif as_json:
        sys.stderr.write(json_text({"error": _document(error)}) + "\n")
    else:
        stderr_console().print(_message(error), style="red")


def _message(error: FloworchError) -> str:
    return str(error) or type(error).__name__


def _document(error: FloworchError) -> dict[str, Any]:
    document: dict[str, Any] = {"type": type(error).__name__, "message": _message(error)}
    if isinstance(error, FlowValidationError):
        document["problems"] = error.problems
    return document


def _stdout_is_gone() -> ExitCode:
    """The reader of a pipe, such as ``head``, has seen enough. Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OK
