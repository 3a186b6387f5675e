"""``floworch check``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from floworch.builder import FlowOrchestratorBuilder
from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.json_output import print_json
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, command_app
from floworch.cli.screen import stdout_console
from floworch.cli.targets import Target, load_target
from floworch.cli.words import plural
from floworch.core.dag.validate import validate_flows
from floworch.core.model.flow import FlowLike, as_flow, manifest_of
from floworch.errors import ConfigurationError, FlowProblem, FlowValidationError

__all__ = ["app", "check", "problems_of"]

app = command_app()


@app.command(cls=TargetCommand)
@ends_with_exit_code
def check(
    targets: Annotated[
        list[str], typer.Argument(metavar="TARGET...", show_default=False, help="What to check; several are allowed.")
    ],
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> ExitCode:
    """Validate flows and report every problem of all of them.

    Nothing is opened or started. Of a flow without an orchestrator, everything is checked but whether its step types
    have handlers. Exits with 1 when there are problems.
    """
    flows: list[FlowLike] = []
    problems: list[FlowProblem] = []
    for text in targets:
        try:
            target = load_target(text)
            problems += problems_of(target)
            flows += target.flows
        except FlowValidationError as error:  # the module builds its orchestrator while it is imported
            problems += error.problems
    if as_json:
        documents = [] if problems else [_flow_document(flow) for flow in flows]
        print_json({"ok": not problems, "flows": documents, "problems": problems})
    else:
        _print(stdout_console(), flows, problems)
    return ExitCode.FAILED if problems else ExitCode.OK


def problems_of(target: Target) -> list[FlowProblem]:
    """What is wrong with the target's flows, and with how it is put together."""
    if isinstance(target.value, tuple):
        return validate_flows(target.value, known_step_types=None)
    if not isinstance(target.value, FlowOrchestratorBuilder):
        return []  # it could not have been built
    problems = target.value.problems()
    if not problems:
        try:
            target.orchestrator()
        except ConfigurationError as error:
            problems = [FlowProblem(target.text, "", str(error), "configuration")]
    return problems


def _flow_document(flow: FlowLike) -> dict[str, Any]:
    instance = as_flow(flow)
    manifest = manifest_of(instance)
    return {
        "id": instance.id,
        "name": instance.name,
        "version": instance.version,
        "steps": list(manifest.steps),
        "triggers": list(manifest.triggers),
    }


def _print(console: Console, flows: Sequence[FlowLike], problems: Sequence[FlowProblem]) -> None:
    for name, group in groupby(problems, key=lambda problem: problem.flow):
        console.print(Text(name, "bold"))
        for problem in group:
            _print_problem(console, problem)
    if problems:
        console.print(Text(f"\n{plural(len(problems), 'problem')} found", "bold red"))
        return
    for flow in map(as_flow, flows):
        steps = plural(len(manifest_of(flow).steps), "step")
        console.print(Text.assemble(("ok ", "green"), (flow.name, "bold"), f" version {flow.version}, {steps}"))
    if not flows:
        console.print(Text("there is no flow to check", "yellow"))


def _print_problem(console: Console, problem: FlowProblem) -> None:
    message = problem.message.replace("\n", "\n      ")
    where = (f"{problem.location}: ", "cyan") if problem.location else ""
    console.print(Text.assemble("  ", ("-", "red"), " ", where, message))
