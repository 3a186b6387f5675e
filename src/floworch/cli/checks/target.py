"""The target: whether it loads, how its worker is set up, and whether its storage can be used."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta

from floworch.cli.checks.finding import Finding, fine, problem, warning
from floworch.cli.checks.live_versions import check_live_versions
from floworch.cli.storage_words import storage_words
from floworch.cli.words import duration_words, plural
from floworch.core.engine.settings import EngineSettings
from floworch.core.ports.storage import RunFilter, Storage, StorageSchema
from floworch.errors import StorageError
from floworch.orchestrator import FlowOrchestrator

__all__ = ["check_flows", "check_settings", "check_storage"]

_TOLERATED_SKEW = timedelta(seconds=5)
_FEWEST_HEARTBEATS = 2
"""That should fit into a lease, so that one may get lost."""


def check_flows(orchestrator: FlowOrchestrator) -> Iterator[Finding]:
    """Flows that are registered; the builder has validated them."""
    names = ", ".join(flow.name for flow in orchestrator.flows)
    if names:
        yield fine("flows", f"{plural(len(orchestrator.flows), 'flow')}: {names}")
    else:
        yield warning("flows", "there is none", "Register flows with add_flow(...), or the worker has nothing to do.")


def check_settings(settings: EngineSettings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Settings that are valid but unwise."""
    heartbeats = settings.lease_seconds / settings.heartbeat_seconds
    lease = f"lease {settings.lease_seconds:g} s, heartbeat every {settings.heartbeat_seconds:g} s"
    if heartbeats < _FEWEST_HEARTBEATS:
        advice = "Make heartbeat_seconds a third of lease_seconds: one late heartbeat must not lose a step."
        yield warning("worker", lease, advice)
    else:
        yield fine(
            "worker", f"{lease}, {settings.handler_threads} threads, polls every {settings.poll_interval_seconds:g} s"
        )
    if "FLOWORCH_WORKER_ID" in environment:
        advice = "Make sure that no two processes have the same one, or leave it out: then each makes its own."
        yield warning("worker", f"FLOWORCH_WORKER_ID is {settings.worker_id!r}", advice)
    if settings.handler_threads > 32 * (os.cpu_count() or 1):
        advice = "Lower handler_threads, unless the handlers only wait for others."
        yield warning(
            "worker", f"{settings.handler_threads} threads on {plural(os.cpu_count() or 1, 'processor')}", advice
        )


async def check_storage(orchestrator: FlowOrchestrator, now: datetime) -> AsyncIterator[Finding]:
    """Whether the store can be reached and its schema is right. Changes nothing, and leaves the store closed."""
    storage = orchestrator.storage
    if not storage.capabilities.survives_restart:
        advice = "Good for tests. Choose use_sqlite('flows.db') to keep runs."
        yield warning("storage", f"{storage_words(orchestrator)}: runs end with the process", advice)
    if storage.schema is None:
        return
    try:
        finding, is_usable = await _schema(storage.schema)
        yield finding
        if is_usable:
            await storage.open()
            async for finding in _contents(storage, now):
                yield finding
            async for finding in check_live_versions(orchestrator):
                yield finding
    except StorageError as error:
        yield problem("storage", str(error), "Nothing runs until the storage can be used.")
    finally:
        await storage.close()


async def _schema(schema: StorageSchema) -> tuple[Finding, bool]:
    """The finding, and whether the store can be opened without changing it."""
    versions = await schema.versions()
    if versions.is_current:
        return fine("storage", f"{schema.location}, schema version {versions.present}"), True
    what = f"is at version {versions.present} of {versions.newest}" if versions.present else "does not exist yet"
    advice = "The first worker migrates it, or do so now: floworch migrate TARGET"
    return warning("storage", f"{schema.location}: the schema {what}", advice), False


async def _contents(storage: Storage, now: datetime) -> AsyncIterator[Finding]:
    counts = await storage.count_runs()
    words = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    yield fine("runs", words or "none yet")
    page = await storage.list_runs(RunFilter(), 1)
    for run in page.runs:
        if run.started_at > now + _TOLERATED_SKEW:
            ahead = duration_words(run.started_at - now)
            advice = "The clocks of the machines differ, or one was set back. Let a time service (NTP) set them."
            yield problem("clock", f"the newest run was started {ahead} in the future", advice)
