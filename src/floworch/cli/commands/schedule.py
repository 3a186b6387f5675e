"""``floworch schedule``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from floworch.cli.documents import schedule_document, tick_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.moments import parse_moment
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, FlowName, JsonFlag, TargetCommand, TargetText, TriggerKey, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.views.schedule_text import schedule_lines, tick_line
from floworch.cli.words import local_day_and_time
from floworch.core.explain import Explanation
from floworch.core.model.schedules import TickRecord
from floworch.schedules import Schedule, Schedules

__all__ = ["app", "schedule"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def schedule(
    target: TargetText,
    flow: FlowName,
    trigger: TriggerKey,
    pause: Annotated[bool, typer.Option("--pause", help="No more ticks; see --until and --reason.")] = False,
    until: Annotated[
        Any, typer.Option("--until", parser=parse_moment, metavar="TIME", help="When a pause ends by itself.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", "-r", metavar="TEXT", help="Why it is paused, for people.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="End a pause; go on with the next tick.")] = False,
    override: Annotated[
        str | None,
        typer.Option("--override", metavar="CRON", help="Be due by this, whatever the code says."),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset-to-code", help="Be due as the code says again.")] = False,
    now: Annotated[bool, typer.Option("--trigger-now", help="Start a run now, beside the ticks.")] = False,
    count: Annotated[
        int, typer.Option("--count", "-n", metavar="0..1000", min=0, max=1000, help="Most ticks to print, each way.")
    ] = 5,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Show one schedule, pause it, change it, trigger it.

    After what is asked for was done, it prints the next ticks and what became of the last ones.
    """
    changes = {
        "pause": (until, reason) if pause else None,
        "resume": resume,
        "override": override,
        "reset": reset,
        "now": now,
    }
    if (until is not None or reason is not None) and not pause:
        raise typer.BadParameter("they belong to --pause.", param_hint="--until, --reason")
    if pause and resume:
        raise typer.BadParameter("choose one.", param_hint="--pause, --resume")
    if override is not None and reset:
        raise typer.BadParameter("choose one.", param_hint="--override, --reset-to-code")
    _print(*asyncio.run(_change_and_ask(target, flow, trigger, changes, count)), as_json=as_json)


async def _change_and_ask(
    target: str, flow: str, trigger: str, changes: dict[str, Any], count: int
) -> tuple[Schedule, Explanation, str | None, Sequence[datetime], Sequence[TickRecord]]:
    """The schedule, why it stands so, the run that was started, the next ticks and the last ones."""
    async with opened_for_questions(target) as orchestrator:
        schedules = orchestrator.schedules
        run_id = await _change(schedules, flow, trigger, changes)
        upcoming = await schedules.next_fire_times(flow, trigger, count)
        ticks = await schedules.ticks(flow, trigger, limit=max(count, 1)) if count else ()
        why = await schedules.explain(flow, trigger)
        return await schedules.get(flow, trigger), why, run_id, upcoming, ticks


async def _change(schedules: Schedules, flow: str, trigger: str, changes: dict[str, Any]) -> str | None:
    if changes["override"] is not None:
        await schedules.override(flow, trigger, changes["override"])
    if changes["reset"]:
        await schedules.reset_to_code(flow, trigger)
    if changes["pause"] is not None:
        until, reason = changes["pause"]
        await schedules.pause(flow, trigger, reason, until=until)
    if changes["resume"]:
        await schedules.resume(flow, trigger)
    return str((await schedules.trigger_now(flow, trigger)).run_id) if changes["now"] else None


def _print(
    found: Schedule,
    why: Explanation,
    run_id: str | None,
    upcoming: Sequence[datetime],
    ticks: Sequence[TickRecord],
    *,
    as_json: bool,
) -> None:
    if as_json:
        shown = {"nextFireTimes": list(upcoming), "ticks": [tick_document(tick) for tick in ticks]}
        print_json({**schedule_document(found), **shown, "startedRunId": run_id, "explanation": why.to_json()})
        return
    console = stdout_console()
    if run_id is not None:
        console.print(f"started run {run_id}")
    for line in schedule_lines(found):
        console.print(line)
    if why.status not in ("Scheduled", "Over"):
        console.print(why.sentence)
    for at in upcoming[1:]:
        console.print(f"then: {local_day_and_time(at)}")
    for tick in ticks:
        console.print(tick_line(tick))
