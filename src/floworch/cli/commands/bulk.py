"""``floworch bulk``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.progress import Progress

from floworch.bulk import BulkProgress, BulkReport, Selection
from floworch.cli.bulk_actions import OF_STEPS, WITH_REASON, Action, Asked, carry_out
from floworch.cli.conditions import BeforeOption, ErrorOption, FlowOption, FromOption, StatusOption, SuspendedOption
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.interrupts import StopRequests
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import By, Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import stderr_console, stdout_console
from floworch.cli.tags import TagOptions, read_tags
from floworch.cli.words import plural
from floworch.core.engine.migrations import LATEST

__all__ = ["app", "bulk"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def bulk(
    target: TargetText,
    action: Annotated[
        Action, typer.Argument(metavar="ACTION", show_default=False, help=f"What to do: {', '.join(Action)}.")
    ],
    run: Annotated[
        list[str] | None, typer.Option("--run", metavar="RUN", help="This run; may be given several times.")
    ] = None,
    flow: FlowOption = None,
    status: StatusOption = None,
    started_from: FromOption = None,
    started_before: BeforeOption = None,
    suspended: SuspendedOption = False,
    tag: TagOptions = None,
    error: ErrorOption = None,
    step: Annotated[
        str | None,
        typer.Option(metavar="STEP", help=f"The step for {', '.join(OF_STEPS)}; of retry, the only one."),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", "-r", metavar="TEXT", help="For people: why. Of fail and skip, what the step says."),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="latest|HASH", help="The version that runs are migrated to.")
    ] = LATEST,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the runs; of migrate, check them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> ExitCode:
    """Do the same to many runs.

    All given conditions must hold. Asks before it begins, but for --yes and --json; Ctrl-C ends it after the runs under
    way. Runs that refuse are listed with their reasons, and then it exits with 4.
    """
    conditions: dict[str, Any] = {
        "flow": flow,
        "status": status or None,
        "started_from": started_from,
        "started_before": started_before,
        "suspended": True if suspended else None,
        "tags": read_tags(tag) or None,
        "error": error,
    }
    given = {name: value for name, value in conditions.items() if value is not None}
    _check_choice(run, given)
    _check_action(action, step, reason)
    asked = Asked(action, step or "", reason, to, by, dry_run=dry_run, is_sure=yes or dry_run or as_json)
    report = asyncio.run(_bulk(target, run, given, asked))
    if as_json:
        refused = {str(run_id): why for run_id, why in report.refused.items()}
        counts = {"done": report.done, "refused": refused, "unchanged": report.unchanged}
        print_json({**counts, "aborted": report.is_aborted, "dryRun": dry_run})
    else:
        _print(report, asked)
    if report.is_aborted:
        return ExitCode.INTERRUPTED
    return ExitCode.NOT_POSSIBLE if report.refused else ExitCode.OK


def _check_choice(run_ids: list[str] | None, conditions: dict[str, Any]) -> None:
    if run_ids and conditions:
        raise typer.BadParameter("name runs with --run or give conditions such as --flow, and not both.")
    if not run_ids and not conditions:
        raise typer.BadParameter("which runs? Name them with --run, or give conditions such as --flow and --status.")


def _check_action(action: Action, step: str | None, reason: str | None) -> None:
    if action in OF_STEPS and not step:
        raise typer.BadParameter(f"{action} which step? Name it with --step.")
    if step and action not in (*OF_STEPS, Action.RETRY):
        raise typer.BadParameter(f"{action} is about whole runs; leave --step out.")
    if action in WITH_REASON and not reason:
        raise typer.BadParameter(f"{action} needs a --reason.")


async def _bulk(target: str, run_ids: list[str] | None, conditions: dict[str, Any], asked: Asked) -> BulkReport:
    async with opened_for_questions(target) as orchestrator:
        selection = orchestrator.select(run_ids or None, **conditions)
        if asked.action is Action.MIGRATE and "flow" in conditions:
            # An unknown version is told once, and not by every run.
            await orchestrator.versions.manifest(conditions["flow"], asked.to)
        count = await selection.count()
        if asked.only_counts:
            return BulkReport(count, {})
        if not asked.is_sure:
            typer.confirm(f"{asked.action} {plural(count, 'run')}?", abort=True, err=True)
        return await _watched(selection, asked, count)


async def _watched(selection: Selection, asked: Asked, count: int) -> BulkReport:
    console = stderr_console()
    shown = Progress(console=console, transient=True, disable=not console.is_terminal)
    with StopRequests() as requests, shown as bar:
        task = bar.add_task(asked.action, total=count)

        def tell(progress: BulkProgress) -> None:
            bar.update(task, completed=progress.done + progress.refused + progress.unchanged)

        return await carry_out(selection, asked, progress=tell, abort=_Asking(requests))


class _Asking:
    """Whether Ctrl-C was pressed."""

    def __init__(self, requests: StopRequests) -> None:
        self._requests = requests

    def is_set(self) -> bool:
        return self._requests.asked


def _print(report: BulkReport, asked: Asked) -> None:
    console = stdout_console()
    would = "would " if asked.dry_run else ""
    up_to_date = f", {report.unchanged} up to date" if report.unchanged else ""
    console.print(f"{would}{asked.action}: {plural(report.done, 'run')}, {len(report.refused)} refused{up_to_date}")
    for run_id, why in report.refused.items():
        console.print(f"  {run_id}  {why}", style="yellow")
    if report.is_aborted:
        stderr_console().print("ended before the last run", style="yellow")
