"""``floworch run``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from floworch.cli.body import read_body
from floworch.cli.documents import result_document, run_document
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.following import Follower, JsonFollower, LiveFollower, PlainFollower, follow, manifest_of_run
from floworch.cli.interrupts import StopRequests
from floworch.cli.json_output import print_json, print_json_line
from floworch.cli.logs import LOG_LEVELS, LogLevel, configure_logs
from floworch.cli.opening import is_shared, opened, require_shared
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import stderr_console, stdout_console
from floworch.cli.tags import TagOptions, read_tags
from floworch.cli.targets import load_target
from floworch.cli.views.run_text import outcome_line
from floworch.cli.views.step_rows import record_rows
from floworch.cli.views.steps_table import steps_table
from floworch.core.model.records import RunRecord
from floworch.core.model.status import RunStatus
from floworch.handle import RunHandle
from floworch.orchestrator import FlowOrchestrator
from floworch.results import RunResult

__all__ = ["app", "run"]

app = command_app()

_SAME_FOR_ALL_STEPS = ("run_id", "flow", "step_type", "attempt")


@app.command(cls=TargetCommand)
@ends_with_exit_code
def run(
    target: TargetText,
    flow: Annotated[str, typer.Argument(metavar="FLOW", show_default=False, help="Name or id of the flow.")],
    body: Annotated[
        str | None,
        typer.Option("--body", "-b", metavar="JSON|@FILE|-", help="Body of the trigger: JSON, a file, or stdin."),
    ] = None,
    key: Annotated[str, typer.Option("--key", "-k", metavar="TRIGGER", help="Key of the trigger.")] = "manual",
    idempotency_key: Annotated[
        str | None,
        typer.Option("--idempotency-key", metavar="TEXT", help="The same key never starts a second run of the flow."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="SECONDS", help="Time that the run may take; it ends as TimedOut."),
    ] = None,
    tag: TagOptions = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Print the id of the run and exit; a worker runs it.")
    ] = False,
    no_work: Annotated[
        bool, typer.Option("--no-work", help="Follow the run, and leave its steps to other workers.")
    ] = False,
    log_level: Annotated[
        LogLevel,
        typer.Option(
            "--log-level", metavar=LOG_LEVELS, help="What to log to stderr; the engine tells its news from debug on."
        ),
    ] = LogLevel.INFO,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> ExitCode:
    """Start one run of a flow and follow it.

    The steps run in this process, and in other workers on the same storage. Ctrl-C stops following: the run is
    durable, and any worker goes on with it. Exits with 1 when the run does not succeed.
    """
    configure_logs(log_level, as_json=as_json, hidden_fields=_SAME_FOR_ALL_STEPS, engine_too=False)
    loaded = load_target(target)
    orchestrator = loaded.orchestrator()
    if detach or no_work:
        require_shared(loaded, orchestrator)
    request = _Request(target, flow, key, idempotency_key, timeout, read_tags(tag), as_json)
    given = read_body(body, max_bytes=orchestrator.settings.max_payload_bytes)
    if detach:
        return asyncio.run(_detached(orchestrator, request, given))
    return asyncio.run(_followed(orchestrator, request, given, work=not no_work))


@dataclass(frozen=True, slots=True)
class _Request:
    target: str
    flow: str
    trigger_key: str
    idempotency_key: str | None
    timeout: float | None
    tags: Mapping[str, str]
    as_json: bool

    async def trigger(self, orchestrator: FlowOrchestrator, body: object) -> RunHandle:
        return await orchestrator.trigger(
            self.flow,
            body=body,
            trigger_key=self.trigger_key,
            idempotency_key=self.idempotency_key,
            timeout=self.timeout,
            tags=self.tags,
        )


async def _detached(orchestrator: FlowOrchestrator, request: _Request, body: object) -> ExitCode:
    async with opened(orchestrator, work=False):
        handle = await request.trigger(orchestrator, body)
        record = (await orchestrator.get_run(handle.run_id, payloads=False)).run
    if request.as_json:
        print_json({**run_document(record), "duplicate": handle.duplicate})
    else:
        stdout_console().print(str(handle.run_id))
        advice = "this run was there already" if handle.duplicate else "started"
        stderr_console().print(
            f"{advice}; see it with: floworch show {request.target} {handle.run_id}", style="bright_black"
        )
    return ExitCode.OK


async def _followed(orchestrator: FlowOrchestrator, request: _Request, body: object, *, work: bool) -> ExitCode:
    with StopRequests() as stop:
        async with opened(orchestrator, work=work):
            handle = await request.trigger(orchestrator, body)
            record = (await orchestrator.get_run(handle.run_id, payloads=False)).run
            follower = await _follower(orchestrator, record, request, duplicate=handle.duplicate)
            result = await _result_or_stop(orchestrator, record, follower, stop)
            if result is None:
                _say_how_to_go_on(orchestrator, record, request, work=work)
                return ExitCode.INTERRUPTED
        _print_outcome(result, request)
        return ExitCode.OK if result.status in (RunStatus.SUCCEEDED, RunStatus.SKIPPED) else ExitCode.FAILED


async def _follower(orchestrator: FlowOrchestrator, run: RunRecord, request: _Request, *, duplicate: bool) -> Follower:
    if request.as_json:
        print_json_line({"run": {**run_document(run), "duplicate": duplicate}})
        return JsonFollower()
    if duplicate:
        stderr_console().print(f"the idempotency key is known; this is its run, {run.id}", style="yellow")
    console = stdout_console()
    if not console.is_terminal:
        return PlainFollower(console)
    return LiveFollower(console, run, await manifest_of_run(orchestrator, run))


async def _result_or_stop(
    orchestrator: FlowOrchestrator, run: RunRecord, follower: Follower, stop: StopRequests
) -> RunResult | None:
    """The outcome, or None when a person has had enough."""
    following = asyncio.ensure_future(follow(orchestrator, run, follower))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if following.done():
        return following.result()
    following.cancel()
    await asyncio.wait({following})
    return None


def _say_how_to_go_on(orchestrator: FlowOrchestrator, run: RunRecord, request: _Request, *, work: bool) -> None:
    console = stderr_console()
    if not is_shared(orchestrator):
        console.print(f"stopped; run {run.id} was kept in memory only and ends with this process", style="yellow")
        return
    console.print(f"stopped following; run {run.id} is durable and goes on wherever a worker runs:", style="yellow")
    for command in (f"worker {request.target}", f"show {request.target} {run.id}", f"cancel {request.target} {run.id}"):
        console.print(f"  floworch {command}")
    if work:
        console.print(
            "waiting for the steps under way in this process; Ctrl-C once more quits at once", style="bright_black"
        )


def _print_outcome(result: RunResult, request: _Request) -> None:
    if request.as_json:
        print_json_line({"result": result_document(result)})
        return
    console = stdout_console()
    if console.is_terminal:
        now = result.run.ended_at or result.run.started_at
        rows = record_rows(result.steps.values(), now, everything=False)
        console.print(steps_table(rows, console.options))
    console.print(outcome_line(result.run, result.error))
