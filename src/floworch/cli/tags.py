"""Tags of runs on the command line: ``--tag tenant=acme``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

import typer

__all__ = ["TagOptions", "read_tags", "tags_text"]

TagOptions: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--tag", "-t", metavar="NAME=VALUE", help="Tag of the run; may be given several times."),
]


def read_tags(options: Sequence[str] | None) -> dict[str, str]:
    """The tags by name. Raises ``typer.BadParameter``."""
    return dict(map(_tag, options or ()))


def tags_text(tags: Mapping[str, str]) -> str:
    """The tags on one line."""
    return ", ".join(f"{name}={value}" for name, value in tags.items())


def _tag(option: str) -> tuple[str, str]:
    name, is_there, value = option.partition("=")
    if not is_there or not name:
        raise typer.BadParameter(f"{option!r} is not in the form NAME=VALUE", param_hint="--tag")
    return name, value
