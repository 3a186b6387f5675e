"""Following a run until it has ended, and telling about it meanwhile."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from types import TracebackType

from rich.console import Console
from rich.live import Live

from floworch.cli.documents import event_document
from floworch.cli.json_output import print_json_line
from floworch.cli.progress import RunProgress
from floworch.cli.views.event_lines import event_line
from floworch.cli.views.run_view import RunView
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.records import HistoryEvent, RunRecord
from floworch.orchestrator import FlowOrchestrator
from floworch.results import RunResult

__all__ = ["Follower", "JsonFollower", "LiveFollower", "PlainFollower", "follow", "manifest_of_run"]


class Follower(ABC):
    """Is entered before the first event and left after the last one."""

    @abstractmethod
    def take(self, event: HistoryEvent) -> None:
        """The next event of the run."""

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        return None


class PlainFollower(Follower):
    """A line per event, where stdout is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def take(self, event: HistoryEvent) -> None:
        self._console.print(event_line(event))


class JsonFollower(Follower):
    """A line of JSON per event."""

    def take(self, event: HistoryEvent) -> None:
        print_json_line({"event": event_document(event)})


class LiveFollower(Follower):
    """A table of the steps that keeps itself up to date, and is wiped out in the end. What others print goes above."""

    def __init__(self, console: Console, run: RunRecord, manifest: FlowManifest) -> None:
        self._progress = RunProgress(manifest)
        view = RunView(run, self._progress)
        self._live = Live(
            view, console=console, refresh_per_second=8, transient=True, redirect_stderr=sys.stderr.isatty()
        )

    def take(self, event: HistoryEvent) -> None:
        self._progress.apply(event)

    def __enter__(self) -> LiveFollower:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._live.stop()


async def follow(orchestrator: FlowOrchestrator, run: RunRecord, follower: Follower) -> RunResult:
    """Hand every event to the follower until the run has ended, whoever runs it; answers with the outcome."""
    with follower:
        async for event in orchestrator.events(run.id):
            follower.take(event)
    return await orchestrator.get_run(run.id)


async def manifest_of_run(orchestrator: FlowOrchestrator, run: RunRecord) -> FlowManifest:
    """The manifest that the run is pinned to; it may be older than the registered one."""
    for flow in orchestrator.flows:
        if flow.manifest.content_hash == run.manifest_hash:
            return flow.manifest
    found = await orchestrator.storage.load_manifests([run.manifest_hash])
    return FlowManifest.from_json(found[run.manifest_hash])
