"""Writes a batch: first in good faith, and only when a row was not as expected with a look at every row.

Nearly every batch finds all rows as the engine left them. So the statements simply carry the comparison, and their row
counts tell whether it held everywhere. If not, the transaction is undone, the changes that conflict are found under
locks, and the others are written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, and_, or_, select

from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, BatchResult, Claim, Creation, Outcome
from floworch.errors import StorageError
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.limits import grant
from floworch.storage.sql.rows import RowWriter
from floworch.storage.sql.statements import Statements
from floworch.storage.sql.survey import conflicting
from floworch.storage.sql.tables import Tables
from floworch.storage.sql.transaction import Transactions
from floworch.storage.sql.writes import Write, claims_in_order, key_of, key_rows, new_keys, outcome, outcomes, writes_of

__all__ = ["Committer"]


@dataclass(frozen=True, slots=True)
class Committer:
    """Writes batches. ``inline_chars`` is the length from which payloads go to their own table."""

    transactions: Transactions
    dialect: SqlDialect
    tables: Tables
    statements: Statements
    clock: Clock
    inline_chars: int

    def commit(self, batch: Batch) -> BatchResult:
        """See :meth:`Storage.commit <floworch.core.ports.storage.Storage.commit>`. Blocks."""
        try:
            return self.transactions.write(lambda connection: self._write(connection, batch, frozenset()))
        except _RowsMoved:
            return self.transactions.write(lambda connection: self._write_what_fits(connection, batch))

    def write_within(self, connection: Connection, batch: Batch) -> BatchResult | None:
        """Write in a transaction that is somebody else's to end. None when rows were not as expected: then the batch
        was undone, and nothing else. The same holds when it raises an error of the database. Blocks."""
        try:
            with connection.begin_nested():
                return self._write(connection, batch, frozenset())
        except _RowsMoved:
            return None

    def write_new(self, connection: Connection, runs: Sequence[Creation], caller: str | None) -> None:
        """Write new runs without idempotency keys, in a transaction that is somebody else's to end."""
        self._write(connection, Batch(creations=runs, caller=caller), frozenset())

    def _write_what_fits(self, connection: Connection, batch: Batch) -> BatchResult:
        lost = conflicting(connection, self.tables, batch.advances) | self._key_taken(connection, batch.creations)
        try:
            return self._write(connection, batch, lost)
        except _RowsMoved as error:
            raise StorageError(f"The batch found rows changed that it holds locks on: {error}.") from error

    def _write(self, connection: Connection, batch: Batch, lost: frozenset[UUID]) -> BatchResult:
        writer = RowWriter(self.dialect, self.clock.now(), inline_chars=self.inline_chars)
        created = self._reserve_keys(connection, batch.creations, lost)
        for creation, run_id in zip(batch.creations, created, strict=True):
            if creation.only_with in lost:
                continue
            if run_id == creation.run_id:
                writer.create(creation)
            elif creation.only_with is not None:
                raise _RowsMoved("the key of a run that another one starts is taken")
        for advance in batch.advances:
            if advance.run_id not in lost:
                writer.advance(advance)
        for write in writes_of(self.statements, writer.rows):
            _carry_out(write, connection)
        claims = self._claim(connection, batch, writer)
        self.statements.insert_event.apply(connection, writer.rows.insert_event)
        if batch.caller is not None:
            self.dialect.call(connection, batch.caller)
        return BatchResult(created, [outcome(a.run_id not in lost) for a in batch.advances], claims)

    def _key_taken(self, connection: Connection, creations: Sequence[Creation]) -> frozenset[UUID]:
        """Runs that start one whose key is another one's."""
        children = [creation for creation in creations if creation.only_with is not None and key_of(creation)]
        if not children:
            return frozenset()
        owners = {key: creation.run_id for key, creation in new_keys(creations).items()}
        owners |= self._owners_of(connection, list(new_keys(children)))
        taken = ((each.only_with, owners[key] != each.run_id) for each in children if (key := key_of(each)))
        return frozenset(parent for parent, is_taken in taken if parent and is_taken)

    def _reserve_keys(self, connection: Connection, creations: Sequence[Creation], lost: frozenset[UUID]) -> list[UUID]:
        """The run that has the key of each creation, or its own id. Those that hang on a lost run reserve nothing."""
        first = new_keys([creation for creation in creations if creation.only_with not in lost])
        owners = {key: creation.run_id for key, creation in first.items()}
        rows = key_rows(self.dialect, first)
        if self.statements.insert_key.apply(connection, rows) != len(rows):
            owners = self._owners_of(connection, list(first))
            if len(owners) != len(first):
                raise _RowsMoved("a key was deleted after it had been in the way")
        keys = [(creation, key_of(creation)) for creation in creations]
        if lost and (unknown := [key for _, key in keys if key is not None and key not in owners]):
            owners |= self._owners_of(connection, unknown)
        return [creation.run_id if key is None else owners.get(key, creation.run_id) for creation, key in keys]

    def _owners_of(self, connection: Connection, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], UUID]:
        table = self.tables.idempotency_key
        owners: dict[tuple[UUID, str], UUID] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            wanted = [
                and_(table.c.flow_id == flow, table.c.key == key) for flow, key in keys[start : start + _KEYS_PER_QUERY]
            ]
            found = connection.execute(select(table.c.flow_id, table.c.key, table.c.run_id).where(or_(*wanted)))
            owners.update({(row.flow_id, row.key): row.run_id for row in found})
        return owners

    def _claim(self, connection: Connection, batch: Batch, writer: RowWriter) -> list[Outcome]:
        limited = [claim for claim in batch.claims if claim.quotas]
        winners = self._start(connection, writer, [claim for claim in batch.claims if not claim.quotas])
        refused: frozenset[int] = frozenset()
        if limited:
            start = partial(self._start, connection, writer)
            granted = grant(connection, self.dialect, self.tables, self.statements, self.clock, limited, start)
            winners |= granted.winners
            refused = granted.refused
        for claim in batch.claims:
            if id(claim) in winners:
                writer.started(claim)
        return outcomes(batch.claims, winners, refused)

    def _start(self, connection: Connection, writer: RowWriter, claims: Sequence[Claim]) -> frozenset[int]:
        """The ids of the claims that are won."""
        claims = claims_in_order(claims)
        won = self.statements.claim_step.apply_each(connection, [writer.claim(claim) for claim in claims])
        return frozenset(id(claim) for claim, is_won in zip(claims, won, strict=True) if is_won)


class _RowsMoved(Exception):
    """Fewer rows were as expected than the batch has."""


_KEYS_PER_QUERY = 100


def _carry_out(write: Write, connection: Connection) -> None:
    written = write.statement.apply(connection, write.rows)
    if write.is_exact and written != len(write.rows):
        raise _RowsMoved(f"{written} of {len(write.rows)} rows were as expected")
