"""The storage port: the verbs of the run state machine, each one atomic.

An adapter is done when the contract suite in ``tests/contracts/storage`` passes. All methods may be called
concurrently from one event loop, and by any number of processes on the same database. Times are aware UTC with
microseconds. Every method raises :class:`~floworch.errors.StorageUnavailable` when the store cannot be reached.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from floworch.core.machine.state import StepState
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.records import FlowRecord, FlowVersion, HistoryEvent, RunRecord, StepRecord
from floworch.core.model.signals import SignalRecord
from floworch.core.model.status import RunStatus
from floworch.core.ports.answers import (
    AttemptKey,
    Capabilities,
    Deletion,
    DueWork,
    LeaseKey,
    LeaseState,
    LostLease,
    ReadyStep,
    RunFilter,
    RunPage,
    StoredRun,
    TimerKey,
)
from floworch.core.ports.changes import Advance, Batch, BatchResult, Claim, Creation, Outcome, RareWrites, RunWrite
from floworch.core.ports.limits import LimitStorage
from floworch.core.ports.notices import NoticeStorage
from floworch.core.ports.schedules import ScheduleStorage
from floworch.core.ports.schema import SchemaVersions, StorageSchema
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
    "RareWrites",
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

_NOTHING: Mapping[UUID, Collection[str]] = {}

_NO_TRANSACTIONS = (
    "this storage has no transactions to share: what it keeps is in no database. ctx.transaction() and "
    "trigger(connection=...) work with SQLite, PostgreSQL and SQL Server; choose one with use_sqlite(path) or another "
    "use_... method of the builder"
)


class Storage(ScheduleStorage, LimitStorage, NoticeStorage, ABC):
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
    async def list_versions(self, flow_ids: frozenset[UUID]) -> list[FlowVersion]:
        """Every manifest that these flows were ever saved with; by flow, and the one that was saved last comes last."""

    @abstractmethod
    async def save_manifests(self, manifests: Mapping[str, str]) -> None:
        """Keep manifests, by their hashes, for ever; those that are known stay as they are."""

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
    async def ready(
        self,
        limit: int,
        step_types: frozenset[str],
        flow_ids: frozenset[UUID],
        passed_over: Mapping[UUID, Collection[str]] = _NOTHING,
        unreadable: frozenset[str] = frozenset(),
    ) -> list[ReadyStep]:
        """Ready steps of active runs of these flows whose type is one of these. Reads only.

        ``passed_over`` are the concurrency keys of runs of a flow whose steps are left out, ``unreadable`` the hashes
        of manifests whose runs are.

        Highest priority first; among equals the flows take turns, each with the step that has been ready longest. So a
        flow with many ready steps does not keep another one waiting.
        """

    @abstractmethod
    async def is_any_lease_held(self) -> bool:
        """Whether some worker runs a step and has sent signs of life, by the store's own clock where it has one."""

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
    async def list_steps(
        self, run_id: UUID, *, payloads: bool = False, keys: frozenset[str] | None = None
    ) -> list[StepRecord]:
        """All steps with a row, or those with these keys, in the order in which they became ready or, without ever
        being that, ended.

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
