"""``floworch mermaid``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, cast

import typer

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.targets import load_target
from floworch.core.dag.mermaid import DIRECTIONS, Direction, to_mermaid
from floworch.core.model.flow import FlowDefinition, FlowLike, as_flow
from floworch.core.model.spelling import did_you_mean
from floworch.errors import FlowNotFound

__all__ = ["app", "mermaid"]

app = command_app()


class _Direction(StrEnum):
    TD = "TD"
    TB = "TB"
    BT = "BT"
    LR = "LR"
    RL = "RL"


@app.command(cls=TargetCommand)
@ends_with_exit_code
def mermaid(
    target: TargetText,
    flow: Annotated[str, typer.Argument(metavar="FLOW", show_default=False, help="Name or id of the flow.")],
    direction: Annotated[
        _Direction,
        typer.Option("--direction", metavar="|".join(DIRECTIONS), case_sensitive=False, help="Where the arrows point."),
    ] = _Direction.TD,
    triggers: Annotated[bool, typer.Option("--triggers/--no-triggers", help="With what starts the flow.")] = True,
    types: Annotated[bool, typer.Option("--types/--no-types", help="With the types of the steps.")] = True,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Draw a flow as a Mermaid diagram.

    The text goes into a Markdown file between ```mermaid and ```, or to any other program that draws Mermaid.
    """
    found = _find(load_target(target).flows, flow)
    chosen = cast("Direction", str(direction))
    text = to_mermaid(found, direction=chosen, include_triggers=triggers, show_step_types=types)
    if as_json:
        print_json({"flow": found.name, "mermaid": text})
    else:
        sys.stdout.write(text)


def _find(flows: Sequence[FlowLike], wanted: str) -> FlowDefinition:
    known = [as_flow(flow) for flow in flows]
    for flow in known:
        if wanted in (flow.name, str(flow.id)):
            return flow
    names = [flow.name for flow in known]
    hint = did_you_mean(wanted, names) or f" There are {', '.join(map(repr, names)) or 'none'}."
    raise FlowNotFound(f"no flow is called {wanted!r}.{hint}")
