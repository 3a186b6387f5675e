"""``floworch health``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from rich.text import Text

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.exits import ExitCode
from floworch.cli.json_output import print_json
from floworch.cli.opening import opened_for_questions
from floworch.cli.parameters import Debug, JsonFlag, TargetCommand, TargetText, command_app
from floworch.cli.screen import stdout_console
from floworch.core.explain.health import Health, HealthStatus

__all__ = ["app", "health"]

app = command_app()

_STYLES = {HealthStatus.HEALTHY: "green", HealthStatus.DEGRADED: "yellow", HealthStatus.UNHEALTHY: "bold red"}


@app.command(cls=TargetCommand)
@ends_with_exit_code
def health(target: TargetText, as_json: JsonFlag = False, debug: Debug = False) -> ExitCode:
    """Say whether anything is later than it should be.

    Looks into the target's storage for steps that no worker takes, timers, leases and deadlines that nobody acts on,
    and late schedules. Exits with 0 when there is nothing of that, with 1 when there is, and with 5 when the storage
    cannot be reached.
    """
    found = asyncio.run(_ask(target))
    if as_json:
        print_json(found.to_json())
    else:
        console = stdout_console()
        for line in _lines(found):
            console.print(line)
    return ExitCode.OK if found.is_healthy else ExitCode.FAILED


async def _ask(target: str) -> Health:
    async with opened_for_questions(target) as orchestrator:
        return await orchestrator.health()


def _lines(found: Health) -> Iterator[Text]:
    yield Text(found.status.value, _STYLES[found.status])
    for reason in found.reasons:
        yield Text.assemble((f"{reason.code.value:<12} ", "bright_black"), reason.sentence)
