"""Commits on the event loop: what goes well, and that is nearly everything.

Threads would do the same work, but each hand-over beside a busy loop costs up to a switch interval of the interpreter
(5 ms). Whatever is not as expected is undone here and left to the threads, which look at every row and try again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, BatchResult, Outcome
from floworch.errors import CommitUnclear, StorageTimeout
from floworch.storage.sql.dialects.base import SqlDialect, Trouble
from floworch.storage.sql.pipe import BEGIN, COMMIT, ROLLBACK, Answer, Order, Pipe, PipeBroken, Pipes, Unsuited
from floworch.storage.sql.rows import RowWriter
from floworch.storage.sql.statements import Statements
from floworch.storage.sql.transaction import storage_error
from floworch.storage.sql.writes import Write, claims_in_order, key_of, key_rows, new_keys, outcomes, writes_of

__all__ = ["Express"]


@dataclass(frozen=True, slots=True)
class Express:
    """Writes batches over ``pipes``. ``target`` names the database in errors."""

    pipes: Pipes
    dialect: SqlDialect
    statements: Statements
    clock: Clock
    inline_chars: int
    target: str

    async def commit(self, batch: Batch) -> BatchResult | None:
        """See :meth:`Storage.commit <floworch.core.ports.storage.Storage.commit>`. None when nothing was written
        because it takes more care."""
        if any(claim.quotas for claim in batch.claims):
            return None
        try:
            bundle = _Bundle(self, batch)
        except (Unsuited, UnicodeEncodeError):  # the driver has words for what it cannot send
            return None
        pipe = await self._pipe()
        if pipe is None:
            return None
        try:
            return await (self._transact if bundle.needs_no_answers else self._send)(pipe, bundle)
        finally:
            self.pipes.give_back(pipe)

    async def close(self) -> None:
        """Finish what is under way and close the connections. Safe to call twice."""
        await self.pipes.close()

    async def _pipe(self) -> Pipe | None:
        try:
            return await self.pipes.take()
        except self.pipes.errors as error:
            raise storage_error(*self.dialect.diagnose(error, self.target)) from error

    async def _transact(self, pipe: Pipe, bundle: _Bundle) -> BatchResult | None:
        """In one round trip: the server itself compares, and fails when a row is not as expected."""
        return await self._finish(pipe.transact([*bundle.orders, *bundle.last_orders()]), bundle)

    async def _send(self, pipe: Pipe, bundle: _Bundle) -> BatchResult | None:
        """In two round trips: all rows but those that depend on who won the claims; then these, and the commit."""
        try:
            answers = await pipe.exchange([BEGIN, *bundle.orders])
            if not bundle.is_as_expected(answers[1:]):
                await pipe.exchange([ROLLBACK])
                return None
        except PipeBroken:
            return None
        except self.pipes.errors as error:
            self._refuse_delays(error)
            return None
        return await self._finish(pipe.exchange([*bundle.last_orders(), COMMIT]), bundle)

    async def _finish(self, trip: Awaitable[object], bundle: _Bundle) -> BatchResult | None:
        """``trip`` is the one that commits."""
        try:
            await trip
        except PipeBroken as error:
            raise CommitUnclear(f"the connection broke during a commit, which may have happened: {error}") from error
        except self.pipes.errors as error:
            self._refuse_delays(error)
            return None
        return bundle.result()

    def _refuse_delays(self, error: Exception) -> None:
        """Whatever took too long would do so again."""
        trouble, message = self.dialect.diagnose(error, self.target)
        if trouble is Trouble.TIMEOUT:
            raise StorageTimeout(message) from error


class _Bundle:
    """A batch as orders. It takes for granted that keys are new, and that nobody else has moved anything."""

    def __init__(self, express: Express, batch: Batch) -> None:
        self._express = express
        self._batch = batch
        self._claims = claims_in_order(batch.claims)
        self._winners: set[int] = set()
        self._writer = RowWriter(express.dialect, express.clock.now(), inline_chars=express.inline_chars)
        self._writes = self._all_writes()
        self.orders = self._strict_orders() if self.needs_no_answers else self._plain_orders()

    def _all_writes(self) -> list[Write]:
        express, writer, batch = self._express, self._writer, self._batch
        first = new_keys(batch.creations)
        self._created = [first[key] if (key := key_of(each)) else each for each in batch.creations]
        for creation, owner in zip(batch.creations, self._created, strict=True):
            if creation is owner:
                writer.create(creation)
            elif creation.only_with is not None:
                raise Unsuited  # the run that starts it must not advance
        for advance in batch.advances:
            writer.advance(advance)
        # The history depends on who won the claims, and that a key exists is nothing for the server's log of errors.
        self.needs_no_answers = express.pipes.can_transact and not first and not self._claims
        keys = Write(express.statements.insert_key, key_rows(express.dialect, first), is_exact=True)
        return [*([keys] if first else ()), *writes_of(express.statements, writer.rows)]

    def _strict_orders(self) -> list[Order]:
        return [
            write.statement.strict_order(write.rows) if write.is_exact else write.statement.order(write.rows)
            for write in self._writes
        ]

    def _plain_orders(self) -> list[Order]:
        orders = [write.statement.order(write.rows) for write in self._writes]
        if self._claims:
            rows = [self._writer.claim(claim) for claim in self._claims]
            orders.append(self._express.statements.claim_step.order(rows, tells_which=True))
        return orders

    def is_as_expected(self, answers: Sequence[Answer]) -> bool:
        """Takes the answers to the orders."""
        if self._claims and not self._tells_winners(answers[-1]):
            return False
        return all(
            answer.written == len(write.rows)
            for write, answer in zip(self._writes, answers, strict=False)
            if write.is_exact
        )

    def _tells_winners(self, answer: Answer) -> bool:
        won = self._claims
        if answer.written != len(won):
            won = [won[int(place or 0) - 1] for place in answer.values]
        self._winners = {id(claim) for claim in won}
        return len(won) == answer.written

    def last_orders(self) -> list[Order]:
        """History, and the call to other processes."""
        writer, statements, caller = self._writer, self._express.statements, self._batch.caller
        for claim in self._batch.claims:
            if id(claim) in self._winners:
                writer.started(claim)
        rows = writer.rows.insert_event
        orders = [statements.insert_event.order(rows)] if rows else []
        return orders if caller is None else [*orders, *self._express.dialect.call_orders(caller)]

    def result(self) -> BatchResult:
        done = [Outcome.DONE] * len(self._batch.advances)
        created = [creation.run_id for creation in self._created]
        return BatchResult(created, done, outcomes(self._batch.claims, self._winners))
