"""The storage port on a SQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from floworch.core.machine.state import StepState
from floworch.core.model.limits import Limit
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.records import FlowRecord, FlowVersion, HistoryEvent, RunRecord, StepRecord
from floworch.core.model.schedules import ScheduleRecord, TickRecord
from floworch.core.model.signals import SignalRecord
from floworch.core.model.status import RunStatus
from floworch.core.ports.clock import Clock, SystemClock
from floworch.core.ports.limits import LimitUse
from floworch.core.ports.notices import DueNotices
from floworch.core.ports.schedules import DueSchedules, ScheduleChange
from floworch.core.ports.storage import (
    Batch,
    BatchResult,
    Capabilities,
    Deletion,
    DueWork,
    LeaseKey,
    LeaseState,
    ReadyStep,
    RunFilter,
    RunPage,
    Storage,
    StoredRun,
)
from floworch.errors import ConfigurationError, StorageUnavailable
from floworch.storage.sql import (
    catalog,
    dialects,
    limits,
    notices,
    payloads,
    retention,
    runs,
    schedules,
    signals,
    states,
    steps,
    waiting,
)
from floworch.storage.sql.callers import CallerTransactions
from floworch.storage.sql.commit import Committer
from floworch.storage.sql.cursor import Cursor
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.dialects.postgresql_connection import Connections
from floworch.storage.sql.dialects.postgresql_url import is_postgresql_url, read_url
from floworch.storage.sql.due_schedules import DueScheduleLooks
from floworch.storage.sql.express import Express
from floworch.storage.sql.limit_use import find_limit_use
from floworch.storage.sql.migrations.runner import check_schema, migrate
from floworch.storage.sql.schema import SqlSchema
from floworch.storage.sql.session import Session
from floworch.storage.sql.statements import prepare_statements
from floworch.storage.sql.step_transaction import SqlTransaction

__all__ = ["INLINE_CHARS", "SqlStorage"]

T = TypeVar("T")
_NOTHING: Mapping[UUID, Collection[str]] = {}

INLINE_CHARS = 16 * 1024
"""Payloads of more characters have a row of their own, so that the rows that move stay small."""


class SqlStorage(Storage):
    """Keeps everything in a SQL database.

    The database is worked with on a few threads of the store's own: one writes, two read. ``url`` is SQLAlchemy's;
    ``dialect`` holds the settings of one kind of database and is found from the URL when it is not given. The clock is
    used for what has no time of its own, and on SQLite for leases.
    """

    def __init__(
        self,
        url: str | URL,
        *,
        clock: Clock | None = None,
        dialect: SqlDialect | None = None,
        auto_migrate: bool = True,
        inline_chars: int = INLINE_CHARS,
        retry_seconds: float = 30.0,
    ) -> None:
        self._url = _parse(url)
        self._clock = clock or SystemClock()
        self._dialect = dialect or _dialect_for(self._url)
        self._dialect.check_url(self._url)
        self._auto_migrate = auto_migrate
        self._tables = self._dialect.tables()
        self._ready_steps = waiting.ReadySteps(self._tables)
        self._due_schedules = DueScheduleLooks(self._tables)
        self._statements = prepare_statements(self._dialect, self._tables)
        self._inline_chars = inline_chars
        self._retry_seconds = retry_seconds
        self._session: Session | None = None
        self._express: Express | None = None
        self._is_closed = False

    @classmethod
    def sqlite(
        cls,
        path: str | Path,
        *,
        clock: Clock | None = None,
        auto_migrate: bool = True,
        synchronous: str = "FULL",
        busy_timeout_seconds: float = 5.0,
        pragmas: Mapping[str, str | int] | None = None,
        inline_chars: int = INLINE_CHARS,
        retry_seconds: float = 30.0,
    ) -> SqlStorage:
        """A store in one file, made when it does not exist. Any number of processes of one machine may share it.

        ``synchronous="NORMAL"`` is faster and keeps the file sound, but the last commits can be lost when the
        power fails.
        ``pragmas`` are added to what every connection sets.
        """
        dialect = dialects.SqliteDialect(
            synchronous=synchronous, busy_timeout_seconds=busy_timeout_seconds, pragmas=pragmas
        )
        return cls(
            URL.create("sqlite", database=str(path)),
            clock=clock,
            dialect=dialect,
            auto_migrate=auto_migrate,
            inline_chars=inline_chars,
            retry_seconds=retry_seconds,
        )

    @classmethod
    def postgresql(
        cls,
        url: str | URL,
        *,
        clock: Clock | None = None,
        schema: str = "floworch",
        auto_migrate: bool = True,
        listen: bool = True,
        inline_chars: int = INLINE_CHARS,
        retry_seconds: float = 30.0,
        **connections: Any,
    ) -> SqlStorage:
        """A store in a schema of a PostgreSQL database, which any number of processes on any machines may share.

        ``url`` may be in the form of libpq or of SQLAlchemy. With ``listen`` one more connection waits to be told of
        work that other processes leave, which is found by polling as well. ``connections`` are the fields of
        :class:`~floworch.storage.sql.dialects.postgresql_connection.Connections`.
        """
        dialect = dialects.PostgresqlDialect(schema=schema, connections=Connections(**connections), listens=listen)
        return cls(
            read_url(url),
            clock=clock,
            dialect=dialect,
            auto_migrate=auto_migrate,
            inline_chars=inline_chars,
            retry_seconds=retry_seconds,
        )

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            shared_between_processes=True,
            survives_restart=True,
            transactions=True,
            concurrent_commits=self._dialect.concurrent_commits,
        )

    @property
    def schema(self) -> SqlSchema:
        return SqlSchema(self._url, self._dialect, self._tables, self._clock, retry_seconds=self._retry_seconds)

    # -- life

    async def open(self) -> None:
        if self._session is not None or self._is_closed:
            raise ConfigurationError("This storage was opened before. Make a new one for every start.")
        self._session = Session(self._dialect, self._url, retry_seconds=self._retry_seconds)
        try:
            if not await self._read(partial(check_schema, dialect=self._dialect, tables=self._tables)):
                await self._require_migration()
            self._express = self._make_express()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._is_closed = True
        if self._express is not None:
            await self._express.close()
        if self._session is not None:
            if self._session.listener is not None:
                await self._session.listener.stop()
            await asyncio.to_thread(self._session.close)

    async def _require_migration(self) -> None:
        if not self._auto_migrate:
            raise StorageUnavailable(
                f"The schema of {self._dialect.describe(self._url)} is not up to date and auto_migrate is off. "
                "Run `floworch migrate TARGET`, or let a DBA run the output of `floworch migrate TARGET --sql`."
            )
        now = self._clock.now()
        await self._write(partial(migrate, dialect=self._dialect, tables=self._tables, now=now))

    # -- catalog

    async def save_flows(self, flows: Sequence[FlowRecord]) -> None:
        now = self._clock.now()
        await self._write_anyway(lambda c: catalog.save_flows(c, self._dialect, self._statements, flows, now))

    async def list_flows(self) -> list[FlowRecord]:
        return await self._read(lambda c: catalog.list_flows(c, self._tables))

    async def set_flow_enabled(self, flow_id: UUID, enabled: bool) -> bool:
        now = self._clock.now()
        return await self._write(lambda c: catalog.set_flow_enabled(c, self._tables, flow_id, enabled, now))

    async def list_versions(self, flow_ids: frozenset[UUID]) -> list[FlowVersion]:
        return await self._read(lambda c: catalog.list_versions(c, self._tables, flow_ids))

    async def save_manifests(self, manifests: Mapping[str, str]) -> None:
        await self._write_anyway(lambda c: self._statements.insert_manifest.apply(c, sorted(manifests.items())))

    async def load_manifests(self, hashes: Sequence[str]) -> dict[str, str]:
        return await self._read(lambda c: catalog.load_manifests(c, self._tables, hashes))

    # -- the state machine

    async def commit(self, batch: Batch) -> BatchResult:
        session = self._open_session
        if self._express is not None:
            result = await self._express.commit(batch)
            if result is not None:
                return result
        return await session.writer.run(partial(self._committer(session).commit, batch))

    async def begin(self) -> SqlTransaction:
        session = self._open_session
        return SqlTransaction(session.desk, self._committer(session))

    async def enlist(self, connection: object, batch: Batch) -> BatchResult:
        return await self._callers.write(connection, batch)

    async def load_enlisted(
        self, connection: object, run_id: UUID, refs: Sequence[PayloadRef] = ()
    ) -> tuple[StoredRun, dict[PayloadRef, Payload | None]] | None:
        return await self._callers.load(connection, run_id, refs)

    async def load(self, run_ids: Sequence[UUID]) -> dict[UUID, StoredRun]:
        return await self._read(lambda c: states.load_runs(c, self._tables, run_ids))

    async def load_iteration_steps(self, run_id: UUID, step_key_prefix: str) -> dict[str, StepState]:
        return await self._read(lambda c: states.load_iteration_steps(c, self._tables, run_id, step_key_prefix))

    async def load_payloads(self, run_id: UUID, refs: Sequence[PayloadRef]) -> dict[PayloadRef, Payload | None]:
        return await self._read(lambda c: payloads.load_payloads(c, self._tables, run_id, refs))

    async def load_outputs(self, run_id: UUID, step_key_prefix: str) -> dict[str, Payload | None]:
        return await self._read(lambda c: payloads.load_outputs(c, self._tables, run_id, step_key_prefix))

    # -- leases and time

    async def renew(self, owner: str, leases: Mapping[LeaseKey, float]) -> dict[LeaseKey, LeaseState]:
        renewal = partial(
            waiting.renew_leases,
            tables=self._tables,
            dialect=self._dialect,
            statement=self._statements.renew_lease,
            owner=owner,
            leases=leases,
            now=self._clock.now(),
        )
        return await self._write(renewal)

    async def listen(self, owner: str, wake: Callable[[], None]) -> bool:
        session = self._open_session
        session.listener = self._dialect.listen(self._url, owner, wake)
        return session.listener is not None

    async def due(self, now: datetime, limit: int) -> DueWork:
        lease_now = self._dialect.lease_clock(self._clock)
        return await self._ask(lambda c: waiting.find_due(c, self._tables, now, lease_now, limit))

    async def ready(
        self,
        limit: int,
        step_types: frozenset[str],
        flow_ids: frozenset[UUID],
        passed_over: Mapping[UUID, Collection[str]] = _NOTHING,
        unreadable: frozenset[str] = frozenset(),
    ) -> list[ReadyStep]:
        question = (limit, step_types, flow_ids, passed_over, unreadable)
        return await self._ask(lambda c: self._ready_steps.find(c, *question))

    async def is_any_lease_held(self) -> bool:
        lease_now = self._dialect.lease_clock(self._clock)
        return await self._ask(lambda c: waiting.is_any_lease_held(c, self._tables, lease_now))

    # -- limits

    async def save_limits(self, code: Mapping[str, Limit], known: Collection[str]) -> None:
        now = self._clock.now()
        await self._write_anyway(
            lambda c: limits.save_limits(c, self._dialect, self._tables, self._statements, code, known, now)
        )

    async def override_limit(self, name: str, override: Limit | None, caller: str | None = None) -> None:
        now = self._clock.now()
        await self._write(
            lambda c: limits.override_limit(
                c, self._dialect, self._tables, self._statements, name, override, caller, now
            )
        )

    async def limit_use(self, *, waiting: bool = False) -> LimitUse:
        now = self._dialect.lease_clock(self._clock)
        return await self._ask(lambda c: find_limit_use(c, self._tables, now, self._clock.now(), waiting=waiting))

    async def forget_arrivals(self) -> int:
        now = self._dialect.lease_clock(self._clock)
        return await self._write(lambda c: limits.forget_arrivals(c, self._tables, now))

    # -- schedules

    async def change_schedules(self, changes: Sequence[ScheduleChange], caller: str | None = None) -> list[bool]:
        session = self._open_session
        create = partial(self._committer(session).write_new, caller=caller)
        return await self._write(
            lambda c: schedules.change_schedules(c, self._dialect, self._statements, changes, create)
        )

    async def list_schedules(self, flow_ids: frozenset[UUID] | None = None) -> list[ScheduleRecord]:
        return await self._read(lambda c: schedules.list_schedules(c, self._tables, flow_ids))

    async def due_schedules(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueSchedules:
        return await self._ask(lambda c: self._due_schedules.find(c, now, limit, flow_ids))

    async def list_ticks(
        self,
        flow_id: UUID,
        trigger_key: str,
        limit: int,
        *,
        first: datetime | None = None,
        last: datetime | None = None,
    ) -> list[TickRecord]:
        return await self._ask(
            lambda c: schedules.list_ticks(c, self._tables, flow_id, trigger_key, limit, first, last)
        )

    async def delete_ticks(self, recorded_before: datetime, limit: int) -> int:
        return await self._write(
            lambda c: schedules.delete_ticks(c, self._dialect, self._tables, self._statements, recorded_before, limit)
        )

    # -- notices

    async def due_notices(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueNotices:
        return await self._ask(lambda c: notices.due_notices(c, self._tables, now, limit, flow_ids))

    async def move_notice(self, run_id: UUID, seen: datetime, at: datetime | None, tries: int) -> bool:
        return await self._write(lambda c: notices.move_notice(c, self._tables, run_id, seen, at, tries))

    # -- retention

    async def delete_runs(self, ended_before: datetime, limit: int, keys_before: datetime) -> Deletion:
        return await self._write(
            lambda c: retention.delete_runs(c, self._tables, self._statements, ended_before, limit, keys_before)
        )

    async def count_ended(self, before: datetime) -> int:
        return await self._ask(lambda c: retention.count_ended(c, self._tables, before))

    # -- questions

    async def get_run(self, run_id: UUID) -> RunRecord | None:
        return await self._ask(lambda c: runs.get_run(c, self._tables, run_id))

    async def find_run_by_key(self, flow_id: UUID, idempotency_key: str) -> UUID | None:
        return await self._ask(lambda c: runs.find_run_by_key(c, self._tables, flow_id, idempotency_key))

    async def list_runs(self, where: RunFilter, limit: int, cursor: str | None = None) -> RunPage:
        after = None if cursor is None else Cursor.parse(cursor)
        return await self._read(lambda c: runs.list_runs(c, self._tables, where, limit, after))

    async def list_steps(
        self, run_id: UUID, *, payloads: bool = False, keys: frozenset[str] | None = None
    ) -> list[StepRecord]:
        return await self._read(lambda c: steps.list_steps(c, self._tables, run_id, payloads=payloads, keys=keys))

    async def list_events(self, run_id: UUID, after: int = 0, limit: int = 1000) -> list[HistoryEvent]:
        return await self._read(lambda c: steps.list_events(c, self._tables, run_id, after, limit))

    async def list_signals(self, run_id: UUID) -> list[SignalRecord]:
        return await self._read(lambda c: signals.list_signals(c, self._tables, run_id))

    async def count_runs(self) -> dict[RunStatus, int]:
        return await self._read(lambda c: runs.count_runs(c, self._tables))

    # -- the event loop

    def _make_express(self) -> Express | None:
        pipes = self._dialect.pipes(self._url)
        if pipes is None:
            return None
        target = self._dialect.describe(self._url)
        return Express(pipes, self._dialect, self._statements, self._clock, self._inline_chars, target)

    # -- threads

    def _committer(self, session: Session) -> Committer:
        return Committer(
            session.transactions, self._dialect, self._tables, self._statements, self._clock, self._inline_chars
        )

    @property
    def _callers(self) -> CallerTransactions:
        session = self._open_session
        return CallerTransactions(self._committer(session), self._url, session.sql_dialect, session.caller)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        session = self._open_session
        return await session.writer.run(partial(session.transactions.write, work))

    async def _write_anyway(self, work: Callable[[Connection], T]) -> T:
        session = self._open_session
        return await session.writer.run(partial(session.transactions.write_anyway, work))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        session = self._open_session
        return await session.reader.run(partial(session.transactions.read, work))

    async def _ask(self, work: Callable[[Connection], T]) -> T:
        session = self._open_session
        return await session.reader.run(partial(session.transactions.ask, work))

    @property
    def _open_session(self) -> Session:
        if self._session is None:
            raise StorageUnavailable("The storage is not open: call open() first.")
        return self._session


def _parse(url: str | URL) -> URL:
    if is_postgresql_url(str(url)):
        return read_url(url)
    try:
        return make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "The storage URL cannot be read. Write it like 'sqlite:///path/to/file.db' or "
            "'postgresql+psycopg://user:password@host/database'."
        ) from error


def _dialect_for(url: URL) -> SqlDialect:
    known: dict[str, Callable[[], SqlDialect]] = {
        "sqlite": lambda: dialects.SqliteDialect(),
        "postgresql": lambda: dialects.PostgresqlDialect(),
        "mssql": lambda: dialects.MssqlDialect(),
    }
    make = known.get(url.get_backend_name())
    if make is None:
        raise ConfigurationError(
            f"There is no SQL storage for {url.get_backend_name()!r}: floworch knows {', '.join(sorted(known))}."
        )
    return make()
