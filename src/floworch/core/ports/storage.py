"""The storage port: the verbs of the run state machine, each one atomic.

An adapter is done when the contract suite in ``tests/contracts/storage`` passes. All methods may be called
concurrently from one event loop, and by any number of processes on the same database. Times are aware UTC with
microseconds. Every method raises :class:`~floworch.errors.StorageUnavailable` when the store cannot be reached.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple, TypeAlias
from uuid import UUID

from floworch.core.machine.mailbox import Letter, ReceivedSignal, TakenBy
from floworch.core.machine.state import RunFacts, StepState, StopRequest
from floworch.core.machine.transition import Fact, StepChange
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.records import FlowRecord, HistoryEvent, RunRecord, StepRecord
from floworch.core.model.signals import SignalRecord
from floworch.core.model.status import RunStatus
from floworch.core.ports.schedules import ScheduleStorage
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import ConfigurationError

__all__ = [
    "Advance",
    "AttemptKey",
    "Batch",
    "BatchResult",
    "Capabilities",
    "Claim",
    "Creation",
    "Deletion",
    "DueWork",
    "LeaseKey",
    "LeaseState",
    "LostLease",
    "Outcome",
    "ReadyStep",
    "RunFilter",
    "RunPage",
    "RunWrite",
    "SchemaVersions",
    "Storage",
    "StorageSchema",
    "StoredRun",
    "TimerKey",
]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do beyond the contract; code asks these, never for the adapter's type."""

    shared_between_processes: bool
    survives_restart: bool
    transactions: bool = False
    """Whether :meth:`Storage.begin` and :meth:`Storage.enlist` work."""
    concurrent_commits: int = 1
    """How many commits the store works on at once to advantage."""


@dataclass(slots=True)
class RunWrite:
    """Whole planner-visible row of a run, and what is appended with it."""

    run_id: UUID
    status: RunStatus
    deadline: datetime | None
    stop: StopRequest | None
    ended_at: datetime | None
    steps: Mapping[str, StepChange]
    facts: Sequence[Fact]
    at: datetime
    flow_id: UUID
    priority: int
    """Of the run, as in its facts: ready steps are found by both."""
    owner: str
    """The committing worker; becomes the lease owner of every step in ``steps`` that has ``lease_seconds``."""
    loop_items: Mapping[str, Payload] = field(default_factory=dict)
    removed: Sequence[str] = ()
    """Step rows to delete."""
    settled: Sequence[str] = ()
    """Scopes whose step rows (also those in ``steps``) are left out by :meth:`Storage.load` from now on."""
    revived: Sequence[str] = ()
    """Scopes whose step rows are loaded again."""
    tells_parent: bool = False
    """The run has ended, and :meth:`Storage.due` names it until a later change has :attr:`heard_of` it."""
    heard_of: Sequence[UUID] = ()
    """Ended runs that :meth:`Storage.due` has to name no more."""
    signals: Sequence[ReceivedSignal] = ()
    """New ones, received ``at`` the time of this write."""
    taken: Mapping[UUID, TakenBy] = field(default_factory=dict)
    """Signals, also new ones, that nobody had taken."""


@dataclass(slots=True)
class Creation(RunWrite):
    """A new run. With an idempotency key that its flow has already used, nothing is written.

    ``only_with`` is the run that starts it: it is written if and only if the advance of that run in the same batch is.
    That advance conflicts as well when the key of the new run is another one's.
    """

    facts_of_run: RunFacts = None  # type: ignore[assignment]
    flow_name: str = ""
    flow_version: str = ""
    body: Payload | None = None
    headers: Payload | None = None
    only_with: UUID | None = None


@dataclass(slots=True)
class Advance(RunWrite):
    """A change of a run that must still be at ``expected_revision``; it goes up by one."""

    expected_revision: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Start a ready step: compares on the step row (``Ready``, ``attempt``) and on the run not having ended.

    A request to stop the run is no obstacle: it rewrites the ready steps that must not start, and leaves the others.
    Does not touch the run's revision, and does not wait for others who change the step: it loses to them. On success
    the row is ``Running`` with ``attempt + 1``, ``started_at = at``, payloads and ``due_at`` cleared, the lease set,
    and the fact ``step.started`` appended.
    """

    run_id: UUID
    step_key: str
    attempt: int
    owner: str
    lease_seconds: float
    at: datetime


@dataclass(slots=True)
class Batch:
    """Changes that commit in one transaction. Holds at most one creation or advance per run, and no claim of a
    step whose run is advanced in the same batch."""

    creations: Sequence[Creation] = ()
    advances: Sequence[Advance] = ()
    claims: Sequence[Claim] = ()
    caller: str | None = None
    """A worker that cannot take all the steps that the batch makes ready, and so calls those of other processes."""


class Outcome(Enum):
    DONE = "done"
    CONFLICT = "conflict"
    """Somebody else moved the run, the step or the key first; nothing of this change was written."""


@dataclass(slots=True)
class BatchResult:
    """One answer per change, in the order of the batch.

    A creation answers with the id of the run that has the idempotency key: its own when it won. One with ``only_with``
    whose key no run of the store has answers with its own id, whether or not the advance that it hangs on was done.
    """

    creations: list[UUID] = field(default_factory=list)
    advances: list[Outcome] = field(default_factory=list)
    claims: list[Outcome] = field(default_factory=list)


@dataclass(slots=True)
class StoredRun:
    """A run as the planner loads it. ``steps`` leaves out the settled rows (ended iterations); ``signals`` are all that
    it ever had."""

    facts: RunFacts
    revision: int
    status: RunStatus
    deadline: datetime | None
    stop: StopRequest | None
    ended_at: datetime | None
    steps: dict[str, StepState]
    signals: Sequence[Letter] = ()


class AttemptKey(NamedTuple):
    """One attempt of one step. A tuple, because every step that runs is made into keys and hashed several times."""

    run_id: UUID
    step_key: str
    attempt: int


LeaseKey: TypeAlias = AttemptKey
"""A running attempt, by which its lease is renewed."""


class LeaseState(Enum):
    HELD = "held"
    STOP_REQUESTED = "stop_requested"
    """Still held and renewed, but the run is being cancelled or has timed out."""
    LOST = "lost"


TimerKey: TypeAlias = AttemptKey
"""A pending step whose time has come."""


@dataclass(frozen=True, slots=True)
class LostLease:
    """A running attempt whose lease ran out."""

    run_id: UUID
    step_key: str
    attempt: int
    owner: str


@dataclass(frozen=True, slots=True)
class ReadyStep:
    run_id: UUID
    step_key: str
    attempt: int
    type: str
    flow_id: UUID
    priority: int = 0


@dataclass(slots=True)
class DueWork:
    """What time has brought. ``next_at`` is the earliest instant after ``now`` at which there is more, if known."""

    timers: list[TimerKey] = field(default_factory=list)
    lost: list[LostLease] = field(default_factory=list)
    deadlines: list[UUID] = field(default_factory=list)
    children: list[UUID] = field(default_factory=list)
    """Runs that have ended, and whose parents have not heard of it."""
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """All given conditions must hold."""

    flow_id: UUID | None = None
    statuses: frozenset[RunStatus] | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    source_run_id: UUID | None = None
    parent_run_id: UUID | None = None
    trigger_key: str | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Newest first by ``(started_at, id)``. ``next_cursor`` is None on the last page; opaque to callers."""

    runs: list[RunRecord]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """How much is gone. ``keys`` are those of runs that were gone before."""

    runs: int
    keys: int


@dataclass(frozen=True, slots=True)
class SchemaVersions:
    """``present`` is 0 where floworch has no tables yet."""

    present: int
    newest: int

    @property
    def is_current(self) -> bool:
        return self.present == self.newest


_NO_TRANSACTIONS = (
    "this storage has no transactions to share: what it keeps is in no database. ctx.transaction() and "
    "trigger(connection=...) work with SQLite, PostgreSQL and SQL Server; choose one with use_sqlite(path) or another "
    "use_... method of the builder"
)


class StorageSchema(ABC):
    """The tables that a store keeps its data in. Usable before :meth:`Storage.open`, and never migrates by itself.

    Call :meth:`Storage.close` when done, as after ``open``.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the database is, without its password."""

    @abstractmethod
    async def versions(self) -> SchemaVersions:
        """Raises StorageUnavailable, also for a schema from a newer floworch."""

    @abstractmethod
    async def migrate(self) -> list[int]:
        """Apply the missing migrations; answers with their versions."""

    @abstractmethod
    def script(self, after_version: int = 0) -> str:
        """The SQL that :meth:`migrate` would run on a database at that version. Needs no connection."""


class Storage(ScheduleStorage, ABC):
    """See the module's docstring. The engine calls :meth:`open` once before anything else."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @property
    def schema(self) -> StorageSchema | None:
        """The schema to look after; None where there is none."""
        return None

    # -- life

    @abstractmethod
    async def open(self) -> None:
        """Connect, check the schema and, unless told otherwise, migrate it. A second call is an error."""

    @abstractmethod
    async def close(self) -> None:
        """Release everything; waits for operations under way. Safe to call twice."""

    # -- catalog

    @abstractmethod
    async def save_flows(self, flows: Sequence[FlowRecord]) -> None:
        """Insert or update by id, and keep every manifest by its hash for ever.

        ``is_enabled`` and ``created_at`` of a known flow stay as they are.
        """

    @abstractmethod
    async def list_flows(self) -> list[FlowRecord]:
        """All flows, by name."""

    @abstractmethod
    async def set_flow_enabled(self, flow_id: UUID, enabled: bool) -> bool:
        """Whether the flow exists. Takes effect for every trigger that commits later."""

    @abstractmethod
    async def load_manifests(self, hashes: Sequence[str]) -> dict[str, str]:
        """Manifest JSON by hash; unknown ones are left out."""

    # -- the state machine

    @abstractmethod
    async def commit(self, batch: Batch) -> BatchResult:
        """Write a batch in one transaction.

        A change that conflicts is left out and answered with ``CONFLICT``; the others commit. An advance conflicts when
        the run's revision is not the expected one, or when a step row is not as ``StepChange.before`` says.

        Raises CommitUnclear when the connection breaks while the transaction is being committed: then all of the batch
        was written, or nothing. After every other error nothing was. StorageTimeout says that something holds locks on
        what the batch writes.
        """

    @abstractmethod
    async def load(self, run_ids: Sequence[UUID]) -> dict[UUID, StoredRun]:
        """Planner's view of the runs, each one a consistent snapshot; unknown ids are left out."""

    @abstractmethod
    async def load_iteration_steps(self, run_id: UUID, step_key_prefix: str) -> dict[str, StepState]:
        """States of all steps whose key starts with the prefix, settled or not."""

    @abstractmethod
    async def load_payloads(self, run_id: UUID, refs: Sequence[PayloadRef]) -> dict[PayloadRef, Payload | None]:
        """The payloads that exist; None for those that do not. ``ERROR`` is the JSON object of a StepError, ``STATE``
        that of :func:`~floworch.core.machine.block_output.state_payload`."""

    @abstractmethod
    async def load_outputs(self, run_id: UUID, step_key_prefix: str) -> dict[str, Payload | None]:
        """Outputs of all steps whose key starts with the prefix and that succeeded, settled or not."""

    async def begin(self) -> StoreTransaction:
        """A transaction for a handler. Raises ConfigurationError where ``capabilities.transactions`` is false."""
        raise ConfigurationError(_NO_TRANSACTIONS)

    async def enlist(self, connection: object, batch: Batch) -> BatchResult:
        """Write the batch in the transaction that the caller has open on ``connection``: it is there if and only if the
        caller commits. Neither commits nor rolls back; when an error is raised, nothing of the batch was written.

        Raises ConfigurationError for a connection of another kind or to another database, and where
        ``capabilities.transactions`` is false.
        """
        raise ConfigurationError(_NO_TRANSACTIONS)

    async def load_enlisted(
        self, connection: object, run_id: UUID, refs: Sequence[PayloadRef] = ()
    ) -> tuple[StoredRun, dict[PayloadRef, Payload | None]] | None:
        """The run and these payloads of it, as the transaction sees them that the caller has open on ``connection``;
        None for an unknown run. Nobody else advances it until that transaction ends, where the database has row locks.

        Raises as :meth:`enlist`.
        """
        raise ConfigurationError(_NO_TRANSACTIONS)

    # -- leases and time

    @abstractmethod
    async def renew(self, owner: str, leases: Mapping[LeaseKey, float]) -> dict[LeaseKey, LeaseState]:
        """Extend leases (key → seconds from now) that ``owner`` still holds. One statement, one commit."""

    async def listen(self, owner: str, wake: Callable[[], None]) -> bool:
        """Call ``wake``, on this event loop, when a batch of another ``caller`` than ``owner`` was committed.

        Goes on until :meth:`close`. Calls may come late, twice or, when connections break, not at all: keep looking now
        and then. False when the store cannot do it.
        """
        return False

    @abstractmethod
    async def due(self, now: datetime, limit: int) -> DueWork:
        """Up to ``limit`` of each kind, earliest first. Reads only.

        Leases are compared with the store's own clock where it has one, everything else with ``now``.
        """

    @abstractmethod
    async def ready(self, limit: int, step_types: frozenset[str], flow_ids: frozenset[UUID]) -> list[ReadyStep]:
        """Ready steps of active runs of these flows whose type is one of these. Reads only.

        Highest priority first; among equals the flows take turns, each with the step that has been ready longest. So a
        flow with many ready steps does not keep another one waiting.
        """

    # -- retention

    @abstractmethod
    async def delete_runs(self, ended_before: datetime, limit: int, keys_before: datetime) -> Deletion:
        """Delete at most ``limit`` runs that have ended before that, with their steps, payloads, signals and history.

        Idempotency keys that were used before ``keys_before`` go with their runs. Younger ones stay, and answer with
        the id of a run that is no more, until a later call finds them older; of those, too, at most ``limit`` go.
        Passes over what somebody else is changing or deleting, and over runs whose parents have not heard of their end.
        """

    @abstractmethod
    async def count_ended(self, before: datetime) -> int:
        """Number of runs that have ended before that."""

    # -- questions

    @abstractmethod
    async def get_run(self, run_id: UUID) -> RunRecord | None: ...

    @abstractmethod
    async def find_run_by_key(self, flow_id: UUID, idempotency_key: str) -> UUID | None: ...

    @abstractmethod
    async def list_runs(self, where: RunFilter, limit: int, cursor: str | None = None) -> RunPage:
        """Raises ``ValueError`` for a cursor that this store did not make."""

    @abstractmethod
    async def list_steps(self, run_id: UUID, *, payloads: bool = False) -> list[StepRecord]:
        """All steps with a row, in the order in which they became ready or, without ever being that, ended.

        Loop outputs are not assembled here.
        """

    @abstractmethod
    async def list_events(self, run_id: UUID, after: int = 0, limit: int = 1000) -> list[HistoryEvent]:
        """History of a run, oldest first, of commits with ``sequence > after``; ``limit`` counts commits."""

    @abstractmethod
    async def list_signals(self, run_id: UUID) -> list[SignalRecord]:
        """Every signal that the run has received, in the order in which they came; those that nobody has taken are its
        mailbox."""

    @abstractmethod
    async def count_runs(self) -> dict[RunStatus, int]: ...
