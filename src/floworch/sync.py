"""The orchestrator for blocking code. The async engine runs on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from floworch.core.engine.retries import RetriedSteps
from floworch.core.explain import Explanation
from floworch.core.explain.health import Health
from floworch.core.handlers.transactions import Transaction
from floworch.core.model.records import HistoryEvent
from floworch.core.model.signals import SignalRecord, SignalResult
from floworch.core.model.status import RunStatus
from floworch.core.ports.storage import RunPage
from floworch.errors import ConfigurationError
from floworch.results import RunResult
from floworch.sync_bulk import SyncSelection
from floworch.sync_limits import SyncLimits
from floworch.sync_schedules import SyncSchedules
from floworch.sync_versions import SyncVersions

if TYPE_CHECKING:
    from floworch.handle import RunHandle
    from floworch.orchestrator import FlowOrchestrator

__all__ = ["SyncOrchestrator", "SyncRunHandle"]

_T = TypeVar("_T")


class SyncOrchestrator:
    """``with orchestrator.sync as flows: flows.trigger(...)``. Methods, arguments and errors are those of
    :class:`~floworch.orchestrator.FlowOrchestrator`; they may be called from any thread."""

    def __init__(self, orchestrator: FlowOrchestrator) -> None:
        self._orchestrator = orchestrator
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self, *, work: bool = True) -> None:
        """Start the event loop's thread and the orchestrator on it."""
        if self._loop is not None:
            raise ConfigurationError("this orchestrator has been started already; build another one")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="floworch-loop", daemon=True)
        self._thread.start()
        try:
            self._call(self._orchestrator.start(work=work))
        except BaseException:
            self._close()
            raise

    def stop(self) -> None:
        """Stop the orchestrator, then its thread."""
        try:
            self._call(self._orchestrator.stop())
        finally:
            self._close()

    def __enter__(self) -> SyncOrchestrator:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def trigger(self, flow: Any, **arguments: Any) -> SyncRunHandle:
        """See :meth:`FlowOrchestrator.trigger <floworch.orchestrator.FlowOrchestrator.trigger>`. A ``connection`` must
        be a blocking one."""
        _refuse_async(arguments.get("connection"))
        return SyncRunHandle(self, self._call(self._orchestrator.trigger(flow, **arguments)))

    def handle(self, run_id: UUID | str) -> SyncRunHandle:
        return SyncRunHandle(self, self._orchestrator.handle(run_id))

    def get_run(self, run_id: UUID | str, *, payloads: bool = True) -> RunResult:
        return self._call(self._orchestrator.get_run(run_id, payloads=payloads))

    def list_runs(self, **arguments: Any) -> RunPage:
        return self._call(self._orchestrator.list_runs(**arguments))

    def wait(self, run_id: UUID | str, *, timeout: float | None = None) -> RunResult:
        return self._call(self._orchestrator.wait(run_id, timeout=timeout))

    def cancel(self, run_id: UUID | str, reason: str | None = None, *, by: str | None = None) -> None:
        self._call(self._orchestrator.cancel(run_id, reason, by=by))

    def suspend(self, run_id: UUID | str, reason: str | None = None, *, by: str | None = None) -> None:
        self._call(self._orchestrator.suspend(run_id, reason, by=by))

    def resume(self, run_id: UUID | str, *, by: str | None = None) -> None:
        self._call(self._orchestrator.resume(run_id, by=by))

    def complete_step(self, run_id: UUID | str, step_key: str, output: Any = None, **arguments: Any) -> None:
        self._call(self._orchestrator.complete_step(run_id, step_key, output, **arguments))

    def fail_step(self, run_id: UUID | str, step_key: str, reason: str, *, by: str | None = None) -> None:
        self._call(self._orchestrator.fail_step(run_id, step_key, reason, by=by))

    def skip_step(self, run_id: UUID | str, step_key: str, reason: str, *, by: str | None = None) -> None:
        self._call(self._orchestrator.skip_step(run_id, step_key, reason, by=by))

    def run_step_now(self, run_id: UUID | str, step_key: str, *, by: str | None = None) -> None:
        self._call(self._orchestrator.run_step_now(run_id, step_key, by=by))

    def signal(self, run_id: UUID | str, name: str, payload: Any = None, **arguments: Any) -> SignalResult:
        """See :meth:`FlowOrchestrator.signal <floworch.orchestrator.FlowOrchestrator.signal>`. A ``connection`` must be
        a blocking one."""
        _refuse_async(arguments.get("connection"))
        return self._call(self._orchestrator.signal(run_id, name, payload, **arguments))

    def list_signals(self, run_id: UUID | str) -> list[SignalRecord]:
        return self._call(self._orchestrator.list_signals(run_id))

    def retry(self, run_id: UUID | str, step_key: str, *, by: str | None = None) -> None:
        self._call(self._orchestrator.retry(run_id, step_key, by=by))

    def health(self, *, timeout: float = 5.0) -> Health:
        return self._call(self._orchestrator.health(timeout=timeout))

    def explain(self, run_id: UUID | str, step_key: str | None = None) -> Explanation:
        return self._call(self._orchestrator.explain(run_id, step_key))

    def retry_failed(self, run_id: UUID | str, *, by: str | None = None) -> RetriedSteps:
        return self._call(self._orchestrator.retry_failed(run_id, by=by))

    def rerun(self, run_id: UUID | str, **arguments: Any) -> SyncRunHandle:
        return SyncRunHandle(self, self._call(self._orchestrator.rerun(run_id, **arguments)))

    def fork(self, run_id: UUID | str, from_step: str, **arguments: Any) -> SyncRunHandle:
        return SyncRunHandle(self, self._call(self._orchestrator.fork(run_id, from_step, **arguments)))

    def events(self, run_id: UUID | str, *, follow: bool = True) -> Iterator[HistoryEvent]:
        """History of a run; with ``follow`` it blocks for more until the run has ended."""
        events = self._orchestrator.events(run_id, follow=follow)
        try:
            while True:
                try:
                    yield self._call(anext(events))  # type: ignore[arg-type]
                except StopAsyncIteration:
                    return
        finally:
            self._call(events.aclose())  # type: ignore[attr-defined]

    def delete_runs_before(self, before: datetime | timedelta, **arguments: Any) -> int:
        return self._call(self._orchestrator.delete_runs_before(before, **arguments))

    @property
    def limits(self) -> SyncLimits:
        """See :class:`floworch.limits.Limits`."""
        return SyncLimits(self._call, self._orchestrator.limits)

    @property
    def schedules(self) -> SyncSchedules:
        """See :class:`floworch.schedules.Schedules`."""
        return SyncSchedules(self._call, self.handle, self._orchestrator.schedules)

    def select(self, ids: Any = None, **conditions: Any) -> SyncSelection:
        """See :class:`floworch.bulk.Selection`."""
        return SyncSelection(self._call, self._orchestrator.select(ids, **conditions))

    @property
    def versions(self) -> SyncVersions:
        """See :class:`floworch.versions.Versions`."""
        return SyncVersions(self._call, self._orchestrator.versions)

    def disable_flow(self, flow: Any) -> None:
        self._call(self._orchestrator.disable_flow(flow))

    def enable_flow(self, flow: Any) -> None:
        self._call(self._orchestrator.enable_flow(flow))

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None or self._loop.is_closed():
            work.close()
            raise ConfigurationError("start it first: 'with orchestrator.sync as flows: ...'")
        if threading.current_thread() is self._thread:
            work.close()
            raise ConfigurationError("a blocking call on the event loop's own thread would wait for ever; use 'await'")
        future: Future[_T] = asyncio.run_coroutine_threadsafe(_as_coroutine(work), self._loop)
        return future.result()

    def _close(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncRunHandle:
    """:class:`~floworch.handle.RunHandle` for blocking code."""

    def __init__(self, flows: SyncOrchestrator, handle: RunHandle) -> None:
        self._flows = flows
        self.run_id = handle.run_id
        self.duplicate = handle.duplicate

    def __repr__(self) -> str:
        return f"SyncRunHandle({self.run_id})"

    def wait(self, timeout: float | None = None) -> RunResult:
        return self._flows.wait(self.run_id, timeout=timeout)

    def result(self) -> RunResult:
        return self._flows.get_run(self.run_id)

    def status(self) -> RunStatus:
        return self._flows.get_run(self.run_id, payloads=False).status

    def cancel(self, reason: str | None = None, *, by: str | None = None) -> None:
        self._flows.cancel(self.run_id, reason, by=by)

    def suspend(self, reason: str | None = None, *, by: str | None = None) -> None:
        self._flows.suspend(self.run_id, reason, by=by)

    def resume(self, *, by: str | None = None) -> None:
        self._flows.resume(self.run_id, by=by)

    def complete_step(self, step_key: str, output: Any = None, **arguments: Any) -> None:
        self._flows.complete_step(self.run_id, step_key, output, **arguments)

    def fail_step(self, step_key: str, reason: str, *, by: str | None = None) -> None:
        self._flows.fail_step(self.run_id, step_key, reason, by=by)

    def skip_step(self, step_key: str, reason: str, *, by: str | None = None) -> None:
        self._flows.skip_step(self.run_id, step_key, reason, by=by)

    def run_step_now(self, step_key: str, *, by: str | None = None) -> None:
        self._flows.run_step_now(self.run_id, step_key, by=by)

    def signal(self, name: str, payload: Any = None, **arguments: Any) -> SignalResult:
        return self._flows.signal(self.run_id, name, payload, **arguments)

    def retry(self, step_key: str, *, by: str | None = None) -> None:
        self._flows.retry(self.run_id, step_key, by=by)

    def explain(self, step_key: str | None = None) -> Explanation:
        return self._flows.explain(self.run_id, step_key)

    def retry_failed(self, *, by: str | None = None) -> RetriedSteps:
        return self._flows.retry_failed(self.run_id, by=by)

    def rerun(self, **arguments: Any) -> SyncRunHandle:
        return self._flows.rerun(self.run_id, **arguments)

    def fork(self, from_step: str, **arguments: Any) -> SyncRunHandle:
        return self._flows.fork(self.run_id, from_step, **arguments)

    def events(self, *, follow: bool = True) -> Iterator[HistoryEvent]:
        return self._flows.events(self.run_id, follow=follow)


def _refuse_async(connection: object) -> None:
    if iscoroutinefunction(getattr(connection, "execute", None)) and not isinstance(connection, Transaction):
        raise ConfigurationError(
            f"connection is a {type(connection).__module__}.{type(connection).__qualname__}, which belongs to another "
            "event loop than this orchestrator's. Pass a blocking one, or await the orchestrator's own method."
        )


async def _as_coroutine(work: Any) -> Any:
    return await work
