"""``floworch prune``."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from floworch.cli.durations import parse_duration
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.words import local_day_and_time, plural

__all__ = ["app", "prune"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def prune(
    target: TargetText,
    older_than: Annotated[
        Any,
        typer.Option(
            "--older-than",
            parser=parse_duration,
            metavar="DURATION",
            show_default=False,
            help="How long ago a run must have ended: a number and s, m, h, d or w, such as 30d.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Delete runs that ended long ago.

    Their steps and history go with them. Runs that go on are never deleted. Idempotency keys are remembered for their
    own time, keep_idempotency_keys_days. Workers keep working meanwhile. To have it done regularly, set keep_runs_days.
    """
    before, count = asyncio.run(_prune(target, older_than, only_count=dry_run))
    if as_json:
        print_json({"ended_before": before, "deleted": 0 if dry_run else count, "found": count})
    else:
        verb = "would delete" if dry_run else "deleted"
        stdout_console().print(f"{verb} {plural(count, 'run')} that ended before {local_day_and_time(before)}")


async def _prune(target: str, age: timedelta, *, only_count: bool) -> tuple[datetime, int]:
    """The moment, and how many runs ended before it."""
    async with opened_for_questions(target) as orchestrator:
        before = datetime.now().astimezone() - age
        if only_count:
            return before, await orchestrator.count_runs_before(before)
        return before, await orchestrator.delete_runs_before(before)
