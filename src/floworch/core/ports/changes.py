"""What the engine asks a store to write: changes of runs, in batches that commit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from uuid import UUID

from floworch.core.machine.mailbox import ReceivedSignal, TakenBy
from floworch.core.machine.state import RunFacts, StopRequest, Suspension
from floworch.core.machine.transition import Fact, StepChange
from floworch.core.model.limits import Quota
from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus

__all__ = ["Advance", "Batch", "BatchResult", "Claim", "Creation", "Outcome", "RareWrites", "RunWrite"]


@dataclass(slots=True)
class RareWrites:
    """What only loops, signals, children, stops and what people do by hand write."""

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
    moved_to: tuple[str, str] | None = None
    """Hash of the manifest and version label that the run goes by from now on."""
    signals: Sequence[ReceivedSignal] = ()
    """New ones, received ``at`` the time of this write."""
    taken: Mapping[UUID, TakenBy] = field(default_factory=dict)
    """Signals, also new ones, that nobody had taken."""
    changes_suspension: bool = False
    suspension: Suspension | None = None
    """Written where :attr:`changes_suspension`; otherwise the run keeps what it has."""


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
    concurrency_key: str | None = None
    """Of the run, as in its facts."""
    tells_end: bool | None = None
    """The run has ended, and :meth:`Storage.due_notices` names it from now on (True). It goes on again, and nobody has
    to be told of its end any more (False)."""
    rare: RareWrites | None = None


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
    changes_run: bool = True
    """Whether ``status``, ``deadline``, ``stop`` and ``ended_at`` may differ from what the store has."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Start a ready step: compares on the step row (``Ready``, ``attempt``) and on the run not having ended.

    A request to stop the run is no obstacle: it rewrites the ready steps that must not start, and leaves the others.
    Does not touch the run's revision, and does not wait for others who change the step: it loses to them. On success
    the row is ``Running`` with ``attempt + 1``, ``started_at = at``, payloads and ``due_at`` cleared, the lease set,
    and the fact ``step.started`` appended.

    One with ``quotas`` starts only if these have something left; see :class:`~floworch.core.ports.limits.LimitStorage`.
    The claims of a batch are granted in their order.
    """

    run_id: UUID
    step_key: str
    attempt: int
    owner: str
    lease_seconds: float
    at: datetime
    quotas: Sequence[Quota] = ()


@dataclass(slots=True)
class Batch:
    """Changes that commit in one transaction. Holds at most one creation or advance per run, and no claim of a
    step that an advance of the same batch writes."""

    creations: Sequence[Creation] = ()
    advances: Sequence[Advance] = ()
    claims: Sequence[Claim] = ()
    caller: str | None = None
    """A worker that cannot take all the steps that the batch makes ready, and so calls those of other processes."""


class Outcome(Enum):
    DONE = "done"
    CONFLICT = "conflict"
    """Somebody else moved the run, the step or the key first; nothing of this change was written."""
    LIMITED = "limited"
    """Of a claim: nothing is left of a limit. The step stays as it is."""


@dataclass(slots=True)
class BatchResult:
    """One answer per change, in the order of the batch.

    A creation answers with the id of the run that has the idempotency key: its own when it won. One with ``only_with``
    whose key no run of the store has answers with its own id, whether or not the advance that it hangs on was done.
    """

    creations: list[UUID] = field(default_factory=list)
    advances: list[Outcome] = field(default_factory=list)
    claims: list[Outcome] = field(default_factory=list)
