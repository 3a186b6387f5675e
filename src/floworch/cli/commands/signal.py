"""``floworch signal``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from floworch.cli.body import read_body
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.core.model.signals import SignalResult, SignalStatus

__all__ = ["app", "signal"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def signal(
    target: TargetText,
    run: RunId,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Name of the signal.")],
    payload: Annotated[
        str | None, typer.Option("--payload", "-p", metavar="JSON", help="JSON, or @FILE, or - for standard input.")
    ] = None,
    deduplication_id: Annotated[
        str | None,
        typer.Option("--dedup", metavar="ID", help="The run takes one signal with this id, however often it is sent."),
    ] = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Send a signal to a run.

    A step that waits for it goes on; without one, the run keeps the signal for the first step that will. Exits with 4
    when the run has ended, and with 2 when the steps that wait for the signal do not take its payload.
    """
    result = asyncio.run(_signal(target, run, name, payload, deduplication_id))
    if as_json:
        print_json({"signalId": str(result.signal_id), "status": str(result.status), "stepKey": result.step_key})
    else:
        stdout_console().print(_words(name, result))


async def _signal(target: str, run: str, name: str, payload: str | None, deduplication_id: str | None) -> SignalResult:
    async with opened_for_questions(target) as orchestrator:
        value = read_body(payload, max_bytes=orchestrator.settings.max_payload_bytes, option="--payload")
        return await orchestrator.signal(run, name, value, deduplication_id=deduplication_id)


def _words(name: str, result: SignalResult) -> str:
    match result.status:
        case SignalStatus.DELIVERED:
            return f"the signal {name!r} went to the step {result.step_key!r}"
        case SignalStatus.BUFFERED:
            return f"no step waits for the signal {name!r} now; the run keeps it"
        case SignalStatus.ALREADY_DELIVERED:
            return "the run has had a signal with this id; nothing was changed"
