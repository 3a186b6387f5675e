"""``floworch doctor``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from floworch.cli.checks.finding import Finding, Level, problem
from floworch.cli.checks.installation import check_clock, check_environment, check_packages, check_versions
from floworch.cli.checks.target import check_flows, check_settings, check_storage
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.json_output import print_json
from floworch.cli.parameters import TARGET_VARIABLE, Debug, JsonFlag, command_app, default_target
from floworch.cli.screen import stdout_console
from floworch.cli.targets import load_target
from floworch.cli.words import plural
from floworch.errors import FloworchError
from floworch.orchestrator import FlowOrchestrator

__all__ = ["app", "doctor"]

app = command_app()

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}


@app.command()
@ends_with_exit_code
def doctor(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            show_default=False,
            help=f"Also look at this orchestrator and its storage. Default: ${TARGET_VARIABLE}.",
        ),
    ] = None,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> ExitCode:
    """Look for what is wrong with the installation, the target and its storage.

    Changes nothing. Every finding says what to do. Exits with 1 when there is a problem; warnings are none.
    """
    findings = asyncio.run(_examine(target or default_target()))
    problems = sum(finding.level is Level.PROBLEM for finding in findings)
    if as_json:
        print_json({"ok": not problems, "findings": findings})
    else:
        _print(stdout_console(), findings, problems)
    return ExitCode.FAILED if problems else ExitCode.OK


async def _examine(target: str | None) -> list[Finding]:
    now = datetime.now(UTC)
    findings = [*check_versions(), *check_packages(), *check_clock(now), *check_environment(os.environ)]
    if target is None:
        return findings
    try:
        orchestrator = load_target(target).orchestrator()
    except FloworchError as error:
        return [*findings, problem("target", str(error), f"Correct it, then: floworch check {target}")]
    findings += _examine_set_up(orchestrator)
    async for finding in check_storage(orchestrator, now):
        findings.append(finding)
    return findings


def _examine_set_up(orchestrator: FlowOrchestrator) -> Iterator[Finding]:
    yield from check_flows(orchestrator)
    yield from check_settings(orchestrator.settings, os.environ)


def _print(console: Console, findings: Sequence[Finding], problems: int) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(str(finding.level), _STYLES[finding.level]), finding.topic, finding.message)
        if finding.advice:
            table.add_row("", "", Text(finding.advice, "cyan"))
    console.print(table)
    warnings = sum(finding.level is Level.WARNING for finding in findings)
    console.print(f"\n{plural(problems, 'problem')}, {plural(warnings, 'warning')}")
