"""Opening a target's orchestrator for the length of a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from floworch.cli.errors import TargetError
from floworch.cli.targets import Target, load_target
from floworch.orchestrator import FlowOrchestrator

__all__ = ["is_shared", "opened", "opened_for_questions", "opened_to_compare", "require_shared"]


@asynccontextmanager
async def opened(orchestrator: FlowOrchestrator, *, work: bool) -> AsyncIterator[FlowOrchestrator]:
    """The orchestrator, started and in the end stopped. Raises StorageUnavailable."""
    await orchestrator.start(work=work)
    try:
        yield orchestrator
    finally:
        await orchestrator.stop()


@asynccontextmanager
async def opened_for_questions(target: str) -> AsyncIterator[FlowOrchestrator]:
    """The target's orchestrator for a command about runs that other processes have started. It runs no steps."""
    loaded = load_target(target)
    orchestrator = loaded.orchestrator()
    require_shared(loaded, orchestrator)
    async with opened(orchestrator, work=False):
        yield orchestrator


@asynccontextmanager
async def opened_to_compare(target: str) -> AsyncIterator[FlowOrchestrator]:
    """The target's orchestrator with an open storage, and not started: its flows are not made known, as they may be
    those of a release that is yet to come. Raises StorageUnavailable."""
    loaded = load_target(target)
    orchestrator = loaded.orchestrator()
    require_shared(loaded, orchestrator)
    await orchestrator.storage.open()
    try:
        yield orchestrator
    finally:
        await orchestrator.storage.close()


def is_shared(orchestrator: FlowOrchestrator) -> bool:
    """Whether other processes see its runs."""
    return orchestrator.storage.capabilities.shared_between_processes


def require_shared(target: Target, orchestrator: FlowOrchestrator) -> None:
    """Raise TargetError when the runs are in the memory of the process that started them."""
    if not is_shared(orchestrator):
        raise TargetError(
            f"{target.text!r} keeps its runs in memory: each process has its own, and this one has none. This command "
            "needs a storage that processes share, such as use_sqlite('flows.db') instead of use_in_memory()."
        )
