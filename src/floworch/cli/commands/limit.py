"""``floworch limit``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import stderr_console, stdout_console
from floworch.cli.views.limit_text import limit_document, limit_lines
from floworch.core.model.limits import Rate
from floworch.errors import NotFound
from floworch.limits import Limits, LimitStatus

__all__ = ["app", "limit", "parse_rate"]

app = command_app()


def parse_rate(text: str) -> Rate:
    """``100/60``: a hundred in a minute; ``100/60/10`` in bursts of ten."""
    try:
        count, per_seconds, burst = [*text.split("/"), *(["1"] if text.count("/") == 1 else [])]
        return Rate(count=int(count), per_seconds=float(per_seconds), burst=int(burst))
    except ValidationError as error:
        raise typer.BadParameter(f"{text!r}: {error.errors()[0]['msg']}.") from None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no rate; write COUNT/SECONDS, such as 100/60.") from None


@app.command(cls=TargetCommand)
@ends_with_exit_code
def limit(
    target: TargetText,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", show_default=False, help="type:STEP_TYPE, flow:FLOW, or key:FLOW for each key."),
    ],
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", metavar="NUMBER", min=1, help="Most attempts at once.")
    ] = None,
    rate: Annotated[
        Any, typer.Option("--rate", parser=parse_rate, metavar="COUNT/SECONDS", help="How many may start in that time.")
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Limit nothing, whatever the code says.")] = False,
    reset: Annotated[bool, typer.Option("--reset-to-code", help="Limit what the code says again.")] = False,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Show one limit, or set another one in place of what the code says.

    What is set holds at once, in all processes, and also after a restart. Attempts that run already go on. A name that
    nothing here has is taken with a warning: other processes may know it.
    """
    is_set = concurrency is not None or rate is not None
    if is_set + lift + reset > 1:
        raise typer.BadParameter("choose one.", param_hint="--concurrency and --rate, --lift, --reset-to-code")

    async def change(limits: Limits) -> None:
        if is_set:
            await limits.set(name, concurrency=concurrency, rate=rate)
        elif lift:
            await limits.lift(name)
        elif reset:
            await limits.reset_to_code(name)

    found = asyncio.run(_change_and_ask(target, name, change, may_be_gone=reset))
    if found is not None and found.warning is not None:
        stderr_console().print(f"warning: {found.warning}", style="yellow")
    if as_json:
        print_json(None if found is None else limit_document(found))
    else:
        lines = [f"{name}: not limited"] if found is None else limit_lines(found)
        stdout_console().print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


async def _change_and_ask(target: str, name: str, change: Any, *, may_be_gone: bool) -> LimitStatus | None:
    async with opened_for_questions(target) as orchestrator:
        await change(orchestrator.limits)
        try:
            return await orchestrator.limits.get(name)
        except NotFound:
            if may_be_gone:
                return None
            raise
