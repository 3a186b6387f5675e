"""``floworch rerun``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from floworch.cli.body import read_body
from floworch.cli.documents import run_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import By, Debug, JsonFlag, RunId, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.core.engine.reruns import KEEP, Version
from floworch.core.model.records import RunRecord

__all__ = ["app", "rerun"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def rerun(
    target: TargetText,
    run: RunId,
    body: Annotated[
        str | None,
        typer.Option("--body", "-b", metavar="JSON", help="Another body: JSON, or @FILE, or - for standard input."),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The flow as it is now, not as the run knows it.")] = False,
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="TEXT", help="The same key never starts a second run of the flow."),
    ] = None,
    by: By = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Start the flow of a run once more.

    The new run has the trigger, the headers and, unless you give another one, the body of the older one, which stays as
    it is. A worker runs it. Exits with 4 when the flow is disabled.
    """
    record = asyncio.run(_rerun(target, run, body, key, by, latest=latest))
    if as_json:
        print_json(run_document(record))
    else:
        stdout_console().print(f"run {record.id} is a rerun of {record.source_run_id or run}; a worker runs it")


async def _rerun(
    target: str, run: str, body: str | None, key: str | None, by: str | None, *, latest: bool
) -> RunRecord:
    async with opened_for_questions(target) as orchestrator:
        given = KEEP if body is None else read_body(body, max_bytes=orchestrator.settings.max_payload_bytes)
        version: Version = "latest" if latest else "same"
        handle = await orchestrator.rerun(run, body=given, version=version, idempotency_key=key, by=by)
        return (await orchestrator.get_run(handle.run_id, payloads=False)).run
