"""Options by which commands choose runs."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import typer

from floworch.cli.moments import parse_moment
from floworch.core.model.status import RunStatus

__all__ = ["BeforeOption", "ErrorOption", "FlowOption", "FromOption", "StatusOption", "SuspendedOption"]

FlowOption: TypeAlias = Annotated[
    str | None, typer.Option("--flow", "-f", metavar="FLOW", help="Only runs of the flow with this name or id.")
]
StatusOption: TypeAlias = Annotated[
    list[RunStatus] | None,
    typer.Option(
        "--status",
        "-s",
        metavar="|".join(RunStatus),
        case_sensitive=False,
        help="Only runs with this status; may be given several times.",
    ),
]
FromOption: TypeAlias = Annotated[
    Any, typer.Option("--from", parser=parse_moment, metavar="TIME", help="Only runs that started then or later.")
]
BeforeOption: TypeAlias = Annotated[
    Any, typer.Option("--before", parser=parse_moment, metavar="TIME", help="Only runs that started earlier.")
]
SuspendedOption: TypeAlias = Annotated[bool, typer.Option("--suspended", help="Only suspended runs.")]
ErrorOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--error", "-e", metavar="TEXT", help="Only runs with a failed step whose error says this."),
]
