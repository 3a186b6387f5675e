"""``floworch backfill``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from floworch.cli.documents import backfill_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.moments import parse_moment
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, FlowName, JsonFlag, TargetCommand, TargetText, TriggerKey, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.views.schedule_text import backfill_words
from floworch.cli.words import local_day_and_time, plural
from floworch.core.model.schedules import Backfill
from floworch.schedules import Schedules

__all__ = ["app", "backfill"]

app = command_app()


class _Only(StrEnum):
    MISSING = "missing"
    FAILED = "failed"
    ALL = "all"


class _Step(StrEnum):
    """What to do with a backfill that goes on."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


@app.command(cls=TargetCommand)
@ends_with_exit_code
def backfill(
    target: TargetText,
    flow: FlowName,
    trigger: TriggerKey,
    start: Annotated[
        Any, typer.Option("--from", parser=parse_moment, metavar="TIME", help="First moment whose ticks it is about.")
    ] = None,
    end: Annotated[
        Any, typer.Option("--to", parser=parse_moment, metavar="TIME", help="Last moment. It is now at the latest.")
    ] = None,
    only: Annotated[
        _Only,
        typer.Option(
            "--only",
            metavar="|".join(_Only),
            help="Ticks without a run, ticks whose run did not succeed, or all.",
        ),
    ] = _Only.MISSING,
    max_active: Annotated[
        int, typer.Option("--max-active", metavar="1..1000", min=1, max=1000, help="Most runs at once.")
    ] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the ticks.")] = False,
    control: Annotated[
        _Step | None,
        typer.Option("--control", metavar="|".join(_Step), help="Pause, resume or abort the backfill that goes on."),
    ] = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Start runs for ticks of the past.

    Workers start them, oldest first. Without --from and --to it shows the backfill that was asked for last.
    """
    _check(start, end, control, dry_run=dry_run)
    if dry_run:
        _print_ticks(asyncio.run(_plan(target, flow, trigger, start, end, only.value)), as_json=as_json)
    else:
        asked = None if start is None else (start, end, only.value, max_active)
        _print(asyncio.run(_work(target, flow, trigger, asked, control)), as_json=as_json)


def _check(start: datetime | None, end: datetime | None, control: _Step | None, *, dry_run: bool) -> None:
    if (start is None) != (end is None):
        raise typer.BadParameter("give both, or none of them.", param_hint="--from, --to")
    if control is not None and start is not None:
        raise typer.BadParameter(
            "it is about the backfill that goes on, without --from and --to.", param_hint="--control"
        )
    if dry_run and start is None:
        raise typer.BadParameter("it needs --from and --to.", param_hint="--dry-run")


async def _plan(target: str, flow: str, trigger: str, start: Any, end: Any, only: Any) -> Sequence[datetime]:
    async with opened_for_questions(target) as orchestrator:
        return await orchestrator.schedules.plan_backfill(flow, trigger, start, end, only=only)


async def _work(target: str, flow: str, trigger: str, asked: Any, control: _Step | None) -> Backfill | None:
    async with opened_for_questions(target) as orchestrator:
        schedules = orchestrator.schedules
        if control is not None:
            return await _control(schedules, flow, trigger, control)
        if asked is None:
            return (await schedules.get(flow, trigger)).backfill
        start, end, only, max_active = asked
        return await schedules.backfill(flow, trigger, start, end, only=only, max_active=max_active)


async def _control(schedules: Schedules, flow: str, trigger: str, control: _Step) -> Backfill:
    match control:
        case _Step.PAUSE:
            return await schedules.pause_backfill(flow, trigger)
        case _Step.RESUME:
            return await schedules.resume_backfill(flow, trigger)
        case _Step.ABORT:
            return await schedules.abort_backfill(flow, trigger)


def _print_ticks(ticks: Sequence[datetime], *, as_json: bool) -> None:
    if as_json:
        print_json({"ticks": list(ticks)})
        return
    console = stdout_console()
    for at in ticks:
        console.print(local_day_and_time(at))
    console.print(f"would start {plural(len(ticks), 'run')}")


def _print(found: Backfill | None, *, as_json: bool) -> None:
    if as_json:
        print_json(None if found is None else backfill_document(found))
    else:
        stdout_console().print("no backfill" if found is None else backfill_words(found))
