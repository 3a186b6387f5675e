"""The part of the command line's reference page that is made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

import typer

from floworch.cli.app import COMMANDS, app

__all__ = ["MARK", "reference", "words_of_help"]

MARK = "<!-- Below this line the page is made from the commands: pytest tests/cli --update-golden -->\n"


def reference() -> str:
    """A section per command."""
    group = typer.main.get_command(app)
    return "".join(_section(name, group.get_command(None, name)) for name in COMMANDS)  # type: ignore[attr-defined]


def words_of_help(command: str) -> list[str]:
    """Every sentence about an argument or option of the command."""
    group = typer.main.get_command(app)
    found = group.get_command(None, command)  # type: ignore[attr-defined]
    return [parameter.help for parameter in found.params if parameter.help]


def _section(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join(["floworch", name, *map(_place, arguments)])
    lines = [f"\n## {name}\n", f"```console\n{usage}\n```\n", f"{cleandoc(command.help)}\n"]
    lines += [_table("argument", ((each.metavar.strip("[]."), each.help) for each in arguments))] if arguments else []
    lines += [_table("option", ((_names(each), _about(each)) for each in options))]
    return "\n".join(lines)


def _place(argument: Any) -> str:
    return str(argument.metavar) if argument.required else f"[{argument.metavar}]"


def _table(title: str, rows: Iterator[tuple[str, str]]) -> str:
    head = f"| {title} | |\n|---|---|\n"
    return head + "".join(f"| {_code(name)} | {text} |\n" for name, text in rows)


def _code(name: str) -> str:
    return f"`{name}`".replace("|", "\\|")


def _names(option: Any) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    against = f", {', '.join(option.secondary_opts)}" if option.secondary_opts else ""
    value = "" if option.is_flag else f" {option.metavar}"
    return f"{names}{against}{value}"


def _about(option: Any) -> str:
    default = option.default
    if option.is_flag or default is None or default == []:
        return str(option.help)
    return f"{option.help} Default: {getattr(default, 'value', default)}."
