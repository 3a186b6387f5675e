"""``floworch retry``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from floworch.cli.documents import run_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.core.engine.retries import RetriedSteps
from floworch.core.model.records import RunRecord

__all__ = ["app", "retry"]

app = command_app()


class _RetryCommand(TargetCommand):
    """The step may be left out only where all failed steps are meant."""

    def _lacks_argument(self, ctx: Any, args: list[str]) -> bool:
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        return super()._lacks_argument(ctx, args) or not (given.get("step") or given.get("failed"))


@app.command(cls=_RetryCommand)
@ends_with_exit_code
def retry(
    target: TargetText,
    run: RunId,
    step: Annotated[
        str | None,
        typer.Argument(metavar="STEP", show_default=False, help="Key of the failed step; in loops: months.3.charge."),
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="All failed steps at once, also inside loops.")] = False,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Run a failed step again, or all of them.

    What was skipped because of it is planned anew, and a run that had ended goes on. A worker takes the step. Exits
    with 4 when the step has not failed.
    """
    if failed == (step is not None):
        raise typer.BadParameter("Name one step, or give --failed for all of them.", param_hint="STEP")
    record, steps = asyncio.run(_retry(target, run, step, by))
    if as_json:
        print_json({**run_document(record), "retried": steps.retried, "leftOut": steps.left_out})
    else:
        _print(record, steps)


async def _retry(target: str, run: str, step: str | None, by: str | None) -> tuple[RunRecord, RetriedSteps]:
    async with opened_for_questions(target) as orchestrator:
        if step is None:
            steps = await orchestrator.retry_failed(run, by=by)
        else:
            await orchestrator.retry(run, step, by=by)
            steps = RetriedSteps([step], [])
        return (await orchestrator.get_run(run, payloads=False)).run, steps


def _print(record: RunRecord, steps: RetriedSteps) -> None:
    console = stdout_console()
    for step in steps.retried:
        console.print(f"step {step!r} of run {record.id} is ready again; a worker takes it")
    for step in steps.left_out:
        console.print(f"step {step!r} is left as it is", style="yellow")
