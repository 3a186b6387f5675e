"""What the commands have in common that do something with one run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

import typer

from floworch.cli.documents import run_document
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.screen import stdout_console
from floworch.core.model.records import RunRecord
from floworch.orchestrator import FlowOrchestrator

__all__ = ["OpenStep", "Reason", "act_on_run", "tell"]

Reason: TypeAlias = Annotated[
    str | None, typer.Option("--reason", "-r", metavar="TEXT", help="For people; shown with the run.")
]
OpenStep: TypeAlias = Annotated[
    str, typer.Argument(metavar="STEP", show_default=False, help="Key of the step; in loops: months.3.charge.")
]


def act_on_run(target: str, run: str, act: Callable[[FlowOrchestrator], Awaitable[None]]) -> RunRecord:
    """Do something with the run of the target's storage; the run as it is afterwards."""
    return asyncio.run(_act(target, run, act))


async def _act(target: str, run: str, act: Callable[[FlowOrchestrator], Awaitable[None]]) -> RunRecord:
    async with opened_for_questions(target) as orchestrator:
        await act(orchestrator)
        return (await orchestrator.get_run(run, payloads=False)).run


def tell(record: RunRecord, words: str, *, as_json: bool) -> None:
    """Print the run for machines, or what has become of it in a line for people."""
    if as_json:
        print_json(run_document(record))
    else:
        stdout_console().print(words)
