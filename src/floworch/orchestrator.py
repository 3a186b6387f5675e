"""The object that an application holds: it starts flows, watches them and steers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from floworch.arguments import (
    checked_headers,
    checked_key,
    checked_limit,
    checked_moment,
    checked_payload,
    checked_priority,
    checked_run_id,
    checked_statuses,
    checked_tags,
    checked_timeout,
    checked_words,
    unknown,
)
from floworch.builder import FlowOrchestratorBuilder
from floworch.bulk import Selection
from floworch.copies import RunCopies
from floworch.core.engine.engine import Engine
from floworch.core.engine.settings import EngineSettings
from floworch.core.explain.health import Health
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.records import FlowRecord, HistoryEvent
from floworch.core.model.signals import SignalRecord
from floworch.core.model.status import RunStatus
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import RunFilter, RunPage, Storage
from floworch.errors import ConfigurationError, FlowNotFound, NotFound, RunNotFound
from floworch.handle import RunHandle
from floworch.limits import Limits
from floworch.results import RunResult, add_steps, read_run, result_keys
from floworch.schedules import Schedules
from floworch.sync import SyncOrchestrator
from floworch.versions import Versions

__all__ = ["FlowOrchestrator", "FlowReference"]

FlowReference = type[FlowDefinition] | FlowDefinition | UUID | str
"""A flow class or instance, its id, or its name."""

_FOLLOW_SECONDS = (0.02, 0.5)


class FlowOrchestrator(RunCopies):
    """Made by :meth:`builder`. Use it as an async context manager, or call :meth:`start` and :meth:`stop`.

    All async methods belong to the event loop that started it; :attr:`sync` is the same for blocking code.
    """

    def __init__(self, *, engine: Engine, store: Storage, flows: Sequence[FlowDefinition], clock: Clock) -> None:
        super().__init__(engine)
        self._store = store
        self._flows = list(flows)
        self._by_reference: dict[UUID | str, FlowDefinition] = {}
        for flow in self._flows:
            for reference in (flow.id, flow.name, str(flow.id)):
                self._by_reference.setdefault(reference, flow)
        self._clock = clock
        self.schedules = Schedules(self, engine, store, clock)
        """What the clock starts: questions about it, changes, backfills."""
        self.limits = Limits(self, engine, store)
        """How many steps may run at once, and how often they may start."""
        self.versions = Versions(self, engine, store)
        """The versions of flows: which there are, what differs, and moving runs from one to another."""
        self._is_started = False
        self._sync: SyncOrchestrator | None = None

    @staticmethod
    def builder() -> FlowOrchestratorBuilder:
        """A builder: choose a storage and a runtime, add flows and handlers, then ``build()``."""
        return FlowOrchestratorBuilder(FlowOrchestrator)

    # -- life

    async def start(self, *, work: bool = True) -> None:
        """Open the store, make the flows known and begin to work. Raises StorageUnavailable.

        With ``work=False`` this process triggers and asks, and leaves the steps to others.
        """
        if self._is_started:
            raise ConfigurationError("this orchestrator has been started already; build another one")
        self._is_started = True
        await self._store.open()
        try:
            await self._store.save_flows([_record(flow) for flow in self._flows])
            await self._engine.start(work=work)
        except BaseException:
            await self._store.close()
            raise

    async def stop(self) -> None:
        """Let running steps finish, for a while; hand back what is left, so that others can take it at once."""
        try:
            await self._engine.stop()
        finally:
            await self._store.close()

    async def __aenter__(self) -> FlowOrchestrator:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """For ASGI frameworks: ``FastAPI(lifespan=orchestrator.lifespan)``."""
        async with self:
            yield

    @property
    def sync(self) -> SyncOrchestrator:
        """The same orchestrator for blocking code: scripts, notebooks, Flask, Django views."""
        if self._sync is None:
            self._sync = SyncOrchestrator(self)
        return self._sync

    # -- runs

    async def trigger(
        self,
        flow: FlowReference,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        trigger_key: str = "manual",
        idempotency_key: str | None = None,
        timeout: float | timedelta | None = None,
        priority: int = 0,
        tags: Mapping[str, str] | None = None,
        connection: object | None = None,
    ) -> RunHandle:
        """Start a run; returns when it is durable, not when it has ended.

        With an ``idempotency_key`` that the flow has seen, no run is started and the handle is that of the first one.
        ``timeout`` (seconds) limits the whole run and wins over the manifest's. Where steps wait for a worker, those of
        runs with a higher ``priority`` go first. ``tags``, to find the run by, win over the manifest's.

        With a ``connection`` to the storage's own database, the run is written in the transaction that the caller has
        open there: it exists if and only if the caller commits. It may be a connection or session of SQLAlchemy, async
        or not, a connection of psycopg 3, async or not, or what ``ctx.transaction()`` gives to a handler.
        Raises FlowNotFound, NotFound for an unknown trigger, FlowDisabled, InvalidPayload, InvalidTags, ExpressionError
        for a tag of the manifest that cannot be evaluated, StorageUnavailable.
        """
        found = self.flow(flow)
        _check_trigger(found, trigger_key)
        limit = self._engine.settings.max_payload_bytes
        started = await self._engine.trigger(
            found.id,
            trigger_key,
            None if body is None else checked_payload(body, "the trigger body", limit),
            checked_payload(checked_headers(headers), "the trigger headers", limit) if headers else None,
            idempotency_key=checked_key(idempotency_key),
            time_limit=checked_timeout(timeout),
            priority=checked_priority(priority),
            tags=checked_tags(tags),
            connection=connection,
        )
        return RunHandle(self, started.run_id, duplicate=started.duplicate)

    def handle(self, run_id: UUID | str) -> RunHandle:
        """Handle of a run that was started elsewhere. Does not check that it exists."""
        return RunHandle(self, checked_run_id(run_id))

    async def get_run(self, run_id: UUID | str, *, payloads: bool = True) -> RunResult:
        """The run and its steps as they are now. Raises RunNotFound."""
        return await read_run(self._store, self._engine.plans, checked_run_id(run_id), payloads=payloads)

    async def list_runs(
        self,
        *,
        flow: FlowReference | None = None,
        status: RunStatus | str | Iterable[RunStatus | str] | None = None,
        started_from: datetime | None = None,
        started_before: datetime | None = None,
        ended_from: datetime | None = None,
        ended_before: datetime | None = None,
        parent: UUID | str | None = None,
        source: UUID | str | None = None,
        suspended: bool | None = None,
        tags: Mapping[str, str] | None = None,
        error: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """One page of runs, newest first. Pass ``next_cursor`` of a page to get the next one.

        ``parent`` is the id of a run: only those that its steps have started. ``source``: only those that were made of
        that run, by :meth:`rerun` or :meth:`fork`. ``suspended``: only those that are, or
        only those that are not.

        Of ``tags`` all must hold. ``error`` is text in the message or the type of the error of a step that has failed,
        in capitals or not; no index helps to find it, nor the time of an end, so ask for a flow, a status, a tag or a
        span of starts as well. Raises ConfigurationError, InvalidTags, FlowNotFound, RunNotFound for what cannot be.
        """
        where = RunFilter(
            flow_id=None if flow is None else self.flow(flow).id,
            statuses=checked_statuses(status),
            started_from=checked_moment(started_from, "started_from"),
            started_before=checked_moment(started_before, "started_before"),
            parent_run_id=None if parent is None else checked_run_id(parent),
            source_run_id=None if source is None else checked_run_id(source),
            suspended=suspended,
            ended_from=checked_moment(ended_from, "ended_from"),
            ended_before=checked_moment(ended_before, "ended_before"),
            tags=checked_tags(tags),
            error=checked_words(error),
        )
        return await self._store.list_runs(where, checked_limit(limit), cursor)

    def select(self, ids: Iterable[UUID | str] | None = None, **conditions: Any) -> Selection:
        """Runs to do the same to: by their ids, or by the conditions of :meth:`list_runs`.

        ``await orchestrator.select(flow="Orders", status=RunStatus.FAILED).retry_failed()``
        """
        return Selection(self, self._engine, ids, conditions)

    async def count_runs(self) -> dict[RunStatus, int]:
        """Number of runs by status."""
        return await self._store.count_runs()

    async def wait(self, run_id: UUID | str, *, timeout: float | None = None) -> RunResult:
        """The result once the run has ended, whichever process runs it. Raises RunNotFound, WaitTimeout."""
        record, steps = await self._engine.wait(checked_run_id(run_id), timeout)
        if steps is not None:
            return RunResult(record, steps, result_keys(self._engine.plans.current_of(record.flow_id)))
        return await add_steps(self._store, self._engine.plans, record)

    async def list_signals(self, run_id: UUID | str) -> list[SignalRecord]:
        """Every signal that the run has received, oldest first. Those that no step has taken are its mailbox."""
        return await self._store.list_signals(checked_run_id(run_id))

    async def events(self, run_id: UUID | str, *, follow: bool = True) -> AsyncIterator[HistoryEvent]:
        """History of a run from the beginning; with ``follow`` live until it has ended. Raises RunNotFound."""
        run_id = checked_run_id(run_id)
        after = 0
        pause, longest = _FOLLOW_SECONDS
        while True:
            record = await self._store.get_run(run_id)
            if record is None:
                raise RunNotFound(f"there is no run {run_id}")
            events = await self._store.list_events(run_id, after)
            for event in events:
                yield event
            if events:
                after, pause = events[-1].sequence, _FOLLOW_SECONDS[0]
            elif record.status.is_final or not follow:
                return
            else:
                await self._clock.wait(asyncio.Event(), pause)
                pause = min(pause * 2, longest)

    async def delete_runs_before(
        self, before: datetime | timedelta, *, deleted: Callable[[int], None] | None = None
    ) -> int:
        """Delete the runs that ended before that moment, or longer ago than that, with their steps and history.

        Works in small batches, and ``deleted`` is told the number after each one; returns the number of runs. Their
        idempotency keys are remembered for ``keep_idempotency_keys_days``. To have it done regularly, set
        ``keep_runs_days``. Raises StorageUnavailable.
        """
        return await self._engine.delete_runs(self._moment(before), deleted)

    async def count_runs_before(self, before: datetime | timedelta) -> int:
        """Number of runs that :meth:`delete_runs_before` would delete."""
        return await self._store.count_ended(self._moment(before))

    def _moment(self, before: datetime | timedelta) -> datetime:
        if isinstance(before, timedelta):
            return self._clock.now() - before
        return checked_moment(before, "the moment") or before

    # -- flows

    async def disable_flow(self, flow: FlowReference) -> None:
        """Let the flow start no more runs: triggers are refused with FlowDisabled, and its schedules have no ticks.

        Runs that go on are not affected. Other processes notice within ``idle_poll_seconds``.
        """
        await self.schedules.set_flow_enabled(flow, False)

    async def enable_flow(self, flow: FlowReference) -> None:
        """Let the flow start runs again. Its schedules go on with their next ticks; what was due meanwhile is over."""
        await self.schedules.set_flow_enabled(flow, True)

    @property
    def flows(self) -> Sequence[FlowDefinition]:
        """The registered flows."""
        return tuple(self._flows)

    @property
    def storage(self) -> Storage:
        """The store, for tools that look after it: its capabilities, and the schema it keeps."""
        return self._store

    @property
    def settings(self) -> EngineSettings:
        """How the engine behaves."""
        return self._engine.settings

    @property
    def is_healthy(self) -> bool:
        """Whether the store was there when it was last needed. For readiness probes."""
        return self._engine.is_healthy

    async def health(self, *, timeout: float = 5.0) -> Health:
        """Whether this process can work, and whether anything is later than it should be: steps that no worker takes,
        timers, leases and deadlines that nobody acts on, schedules. Never raises; a store that does not answer within
        ``timeout`` seconds makes it unhealthy. Cheap enough to be asked every few seconds.
        """
        return await self._engine.checkup.health(timeout)

    def flow(self, reference: FlowReference) -> FlowDefinition:
        """The registered flow with that class, id or name. Raises FlowNotFound."""
        wanted = reference.id if isinstance(reference, (type, FlowDefinition)) else reference
        found = self._by_reference.get(wanted)
        if found is None:
            raise FlowNotFound(unknown("flow", str(wanted), [flow.name for flow in self._flows]))
        return found


def _record(flow: FlowDefinition) -> FlowRecord:
    return FlowRecord(
        id=flow.id,
        name=flow.name,
        version=flow.version,
        manifest_hash=flow.manifest.content_hash,
        manifest=flow.manifest.to_json(),
    )


def _check_trigger(flow: FlowDefinition, trigger_key: str) -> None:
    if trigger_key != "manual" and trigger_key not in flow.manifest.triggers:
        raise NotFound(unknown(f"trigger of flow {flow.name!r}", trigger_key, list(flow.manifest.triggers)))
