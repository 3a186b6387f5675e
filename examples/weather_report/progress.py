"""Live progress of a run, told by its events alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from floworch import FlowManifest, ForEach, HistoryEvent

__all__ = ["Progress", "follow"]

STYLES = {"Succeeded": "green", "Failed": "bold red", "Skipped": "yellow", "Running": "cyan", "waiting": "dim"}
ENDINGS = {"step.completed": "Succeeded", "step.failed": "Failed", "step.skipped": "Skipped"}


async def follow(events: AsyncIterator[HistoryEvent], manifest: FlowManifest, console: Console) -> None:
    """Show events until there are no more: as a live table on a terminal, as lines elsewhere."""
    progress = Progress.of(manifest)
    if not console.is_terminal:
        async for event in events:
            if line := progress.take(event):
                console.print(line)
        return
    with Live(get_renderable=progress.table, console=console, refresh_per_second=25, transient=True):
        async for event in events:
            progress.take(event)


@dataclass(slots=True)
class StepProgress:
    """A step of the flow. Of a loop ``total`` are the steps of all its iterations, once their number is known."""

    body: int
    status: str = "waiting"
    total: int = 0
    done: int = 0


@dataclass(slots=True)
class Progress:
    """What the events up to now say."""

    steps: Mapping[str, StepProgress]
    title: str = field(default="Starting")

    @classmethod
    def of(cls, manifest: FlowManifest) -> Progress:
        """Nothing has happened yet."""
        return cls({key: StepProgress(_body_size(step)) for key, step in manifest.steps.items()})

    def take(self, event: HistoryEvent) -> str | None:
        """Learn from the event; a line to print if it ends a step of the flow itself."""
        if event.step_key is None:
            self.title = event.type
            return None
        key, _, inner = event.step_key.partition(".")
        step = self.steps[key]
        if inner:
            step.done += event.type in ENDINGS
            return None
        if event.type == "step.started":
            step.status = "Running"
            step.total = int(event.data.get("iterations", 0)) * step.body
        if event.type not in ENDINGS:
            return None
        step.status = ENDINGS[event.type]
        loop = f" ({step.done} steps in the loop)" if step.total else ""
        return f"{event.at:%H:%M:%S} {key}: {step.status}{loop}"

    def table(self) -> Table:
        """The steps as they stand."""
        table = Table.grid(padding=(0, 2))
        for key, step in self.steps.items():
            bar = ProgressBar(total=step.total, completed=step.done, width=32) if step.total else ""
            count = f"{step.done} of {step.total}" if step.total else ""
            table.add_row(key, f"[{STYLES[step.status]}]{step.status}", bar, count)
        return table


def _body_size(step: object) -> int:
    return len(step.steps) if isinstance(step, ForEach) else 0
