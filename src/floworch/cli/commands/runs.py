"""``floworch runs``."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from floworch.cli.conditions import BeforeOption, ErrorOption, FlowOption, FromOption, StatusOption, SuspendedOption
from floworch.cli.documents import run_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import new_table, status_text, stderr_console, stdout_console
from floworch.cli.tags import TagOptions, read_tags, tags_text
from floworch.cli.words import duration_words, local_day_and_time
from floworch.core.model.records import RunRecord
from floworch.core.ports.storage import RunPage

__all__ = ["app", "runs"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def runs(
    target: TargetText,
    flow: FlowOption = None,
    status: StatusOption = None,
    started_from: FromOption = None,
    started_before: BeforeOption = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", "-p", metavar="RUN", help="Only runs that steps of this run have started."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="RUN", help="Only reruns and forks of this run.")
    ] = None,
    suspended: SuspendedOption = False,
    tag: TagOptions = None,
    error: ErrorOption = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="1..1000", min=1, max=1000, help="Most runs to print.")
    ] = 20,
    cursor: Annotated[
        str | None,
        typer.Option("--cursor", metavar="TEXT", help="Go on where an earlier list ended; it prints the cursor."),
    ] = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """List runs, newest first."""
    page = asyncio.run(
        _page(
            target,
            cursor,
            flow=flow,
            status=status or None,
            started_from=started_from,
            started_before=started_before,
            parent=parent,
            source=source,
            suspended=True if suspended else None,
            tags=read_tags(tag),
            error=error,
            limit=limit,
        )
    )
    if as_json:
        print_json({"runs": [run_document(run) for run in page.runs], "nextCursor": page.next_cursor})
    else:
        _print(stdout_console(), page)


async def _page(target: str, cursor: str | None, **wanted: Any) -> RunPage:
    async with opened_for_questions(target) as orchestrator:
        try:
            return await orchestrator.list_runs(cursor=cursor, **wanted)
        except ValueError:
            raise typer.BadParameter(
                f"{cursor!r} is not a cursor. Copy it from the end of an earlier list.", param_hint="--cursor"
            ) from None


def _print(console: Console, page: RunPage) -> None:
    if not page.runs:
        stderr_console().print("no runs", style="yellow")
        return
    table = new_table(console.options)
    for title in ("run", "flow", "status", "trigger", "started"):
        table.add_column(title, no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    has_tags = any(run.tags for run in page.runs)
    if has_tags:
        table.add_column("tags")
    now = datetime.now(UTC)
    for run in page.runs:
        table.add_row(*_cells(run, now), *([tags_text(run.tags)] if has_tags else ()))
    console.print(table)
    if page.next_cursor:
        stderr_console().print(f"more with: --cursor {page.next_cursor}", style="bright_black")


def _cells(run: RunRecord, now: datetime) -> list[str | Text]:
    took = duration_words((run.ended_at or now) - run.started_at)
    started = local_day_and_time(run.started_at)
    status = status_text(run.status)
    if run.suspended_at is not None:
        status.append(" (suspended)", "yellow")
    return [str(run.id), run.flow_name, status, run.trigger_key, started, took]
