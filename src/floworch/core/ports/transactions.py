"""Transactions that a store lends to handlers, so that what they write commits with the completion of their step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from floworch.core.model.rows import Rows

if TYPE_CHECKING:
    from floworch.core.ports.storage import Batch, BatchResult, StoredRun

__all__ = ["StoreTransaction"]

T = TypeVar("T")


class StoreTransaction(ABC):
    """A transaction on a connection of its own, which ends by :meth:`commit` or :meth:`rollback`.

    Nothing is asked of the database before the first call of :meth:`execute`, :meth:`run`, :meth:`load` or
    :meth:`commit`; from then on it may hold locks that other commits wait for. Calls run one after the other. A call
    that is cancelled ends the transaction: it can only be rolled back.
    """

    @property
    @abstractmethod
    def has_begun(self) -> bool:
        """Whether the database has been asked for anything."""

    @property
    @abstractmethod
    def was_in_the_way(self) -> bool:
        """Whether a call failed because the connection broke, or because of other transactions, as by a deadlock."""

    @abstractmethod
    async def execute(self, statement: Any, parameters: Any = None) -> Rows:
        """Run one statement: text with ``:name`` parameters, or a construct of the store's library. ``parameters`` is a
        mapping, or a sequence of mappings to run it once for each. Errors of the database are raised as they are."""

    @abstractmethod
    async def run(self, work: Callable[[Any], T]) -> T:
        """Call ``work`` with the connection, on a thread where it may block. It must neither commit nor roll back."""

    @abstractmethod
    async def load(self, run_id: UUID) -> StoredRun | None:
        """Planner's view of a run, which nobody else advances until the end of the transaction, where the database has
        row locks. Raises StorageError, StorageUnavailable."""

    @abstractmethod
    async def commit(self, batch: Batch) -> BatchResult:
        """Write the batch, then commit it together with everything before.

        When a change of it conflicts, all of them are answered with ``CONFLICT``, the batch alone is undone, and the
        transaction is still open. Raises StorageUnavailable when it was in the way of others or the connection broke,
        so that it may succeed when all of it is done again, and StorageError when it cannot be committed; it is over
        then.
        """

    @abstractmethod
    async def rollback(self) -> None:
        """Undo everything and give the connection back. Safe to call again, and at any time: it interrupts what is
        under way. Never raises."""
