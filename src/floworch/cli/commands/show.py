"""``floworch show``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from floworch.cli.documents import event_document, result_document, signal_document, step_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.views.event_lines import history_lines
from floworch.cli.views.mailbox import mailbox_lines
from floworch.cli.views.run_text import run_facts, step_facts
from floworch.cli.views.step_rows import record_rows
from floworch.cli.views.steps_table import steps_table
from floworch.core.model.records import HistoryEvent, StepRecord
from floworch.core.model.signals import SignalRecord
from floworch.core.model.spelling import did_you_mean
from floworch.errors import StepNotFound
from floworch.results import RunResult

__all__ = ["app", "show"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def show(
    target: TargetText,
    run: RunId,
    step: Annotated[
        str | None,
        typer.Option(
            "--step", "-s", metavar="KEY", help="One step in full: inputs, output, error. In loops: months.3.charge."
        ),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Everything that happened to the run, or to the step.")
    ] = False,
    every_step: Annotated[bool, typer.Option("--all", help="Also steps inside loops that went well.")] = False,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Show one run: its steps, its history, one step in full."""
    result, events, signals = asyncio.run(_load(target, run, payloads=as_json or step is not None, history=history))
    found = None if step is None else _step(result, step)
    shown_events = [event for event in events if step is None or event.step_key == step]
    if as_json:
        document = {**result_document(result), **_signals(signals)} if found is None else step_document(found)
        print_json({**document, **_history(history, shown_events)})
    else:
        _print(result, found, signals, shown_events, every_step=every_step)


async def _load(
    target: str, run: str, *, payloads: bool, history: bool
) -> tuple[RunResult, Sequence[HistoryEvent], Sequence[SignalRecord]]:
    async with opened_for_questions(target) as orchestrator:
        result = await orchestrator.get_run(run, payloads=payloads)
        events = [event async for event in orchestrator.events(run, follow=False)] if history else []
        return result, events, await orchestrator.list_signals(run)


def _step(result: RunResult, key: str) -> StepRecord:
    try:
        return result.steps[key]
    except KeyError:
        raise StepNotFound(
            f"run {result.run_id} has no step {key!r} that is ready or was.{did_you_mean(key, result.steps)}"
        ) from None


def _history(asked: bool, events: Sequence[HistoryEvent]) -> dict[str, Any]:
    return {"history": [event_document(event) for event in events]} if asked else {}


def _signals(signals: Sequence[SignalRecord]) -> dict[str, Any]:
    return {"signals": [signal_document(signal) for signal in signals]}


def _print(
    result: RunResult,
    step: StepRecord | None,
    signals: Sequence[SignalRecord],
    events: Sequence[HistoryEvent],
    *,
    every_step: bool,
) -> None:
    console = stdout_console()
    now = datetime.now(UTC)
    if step is not None:
        console.print(step_facts(step, now))
    else:
        console.print(run_facts(result.run, result.error, now))
        rows = record_rows(result.steps.values(), now, everything=every_step)
        console.print(steps_table(rows, console.options))
        for line in mailbox_lines(signals):
            console.print(line)
    if events:
        console.print()
    for line in history_lines(events, result.run.started_at):
        console.print(line)
