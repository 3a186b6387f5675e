"""The transaction of a handler: what is written through it commits with the completion of the step, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from types import TracebackType
from typing import Any, Protocol, TypeVar

from floworch.core.model.rows import Rows
from floworch.errors import ConfigurationError, StorageError

__all__ = [
    "AttemptTransaction",
    "BlockingTransaction",
    "LentTransaction",
    "StepTransaction",
    "Transaction",
    "lender_of",
]

T = TypeVar("T")


class LentTransaction(Protocol):
    """What the engine gets from the store."""

    @property
    def has_begun(self) -> bool: ...
    @property
    def was_in_the_way(self) -> bool: ...
    async def execute(self, statement: Any, parameters: Any = None) -> Rows: ...
    async def run(self, work: Callable[[Any], T]) -> T: ...
    async def rollback(self) -> None: ...


Begin = Callable[[], Awaitable[LentTransaction]]


class _Stage(Enum):
    NOT_ENTERED = "not entered"
    OPEN = "open"
    LEFT = "left"
    ROLLED_BACK = "rolled back"
    OVER = "over"


class AttemptTransaction:
    """The one transaction that an attempt may have. Everything but :meth:`ask` happens on the engine's event loop, so a
    handler that goes on after its attempt is over meets a closed door."""

    __slots__ = ("_begin", "_is_taken", "_lent", "_loop", "_stage", "_step_key")

    def __init__(self, step_key: str, begin: Begin, loop: asyncio.AbstractEventLoop) -> None:
        self._step_key = step_key
        self._begin = begin
        self._loop = loop
        self._lent: LentTransaction | None = None
        self._stage = _Stage.NOT_ENTERED
        self._is_taken = False

    def ask(self) -> StepTransaction:
        """Hand the transaction to the handler, once. Raises ConfigurationError."""
        if self._is_taken:
            raise ConfigurationError(
                f"Step {self._step_key!r} asked for a second transaction. An attempt has one, because it commits "
                "with the completion of the step: put all that belongs together into one ctx.transaction() block."
            )
        self._is_taken = True
        return StepTransaction(self, self._loop)

    @property
    def is_open(self) -> bool:
        """Whether the handler is still inside its block."""
        return self._stage is _Stage.OPEN

    @property
    def was_in_the_way(self) -> bool:
        """Whether a statement failed through no fault of its own: the connection broke, or others were in the way."""
        return self._lent is not None and self._lent.was_in_the_way

    async def enter(self) -> None:
        self._expect(_Stage.NOT_ENTERED)
        lent = await self._begin()
        if self._stage is not _Stage.NOT_ENTERED:  # the attempt is over, while something of its handler goes on
            await lent.rollback()
            self._expect(_Stage.NOT_ENTERED)
        self._lent = lent
        self._stage = _Stage.OPEN

    async def leave(self, *, with_error: bool) -> None:
        """The handler's part ends. An error inside the block undoes it now; otherwise the engine commits it later."""
        if self._stage is not _Stage.OPEN or self._lent is None:
            return
        self._stage = _Stage.ROLLED_BACK if with_error else _Stage.LEFT
        if with_error:
            await self._lent.rollback()

    async def execute(self, statement: Any, parameters: Any = None) -> Rows:
        return await self._in_use().execute(statement, parameters)

    async def run(self, work: Callable[[Any], T]) -> T:
        return await self._in_use().run(work)

    def close(self) -> bool:
        """The attempt is over. False where its handler has begun something that has to be ended."""
        if self._lent is None:
            self._stage = _Stage.OVER
        return self._lent is None

    async def end(self, *, keep: bool) -> Any:
        """The attempt is over. Returns the transaction if ``keep``, and if there is anything in it to commit; else it
        is undone."""
        stage, self._stage = self._stage, _Stage.OVER
        lent = self._lent
        if lent is None or stage is _Stage.ROLLED_BACK:
            return None
        if keep and stage is _Stage.LEFT and lent.has_begun:
            return lent
        await lent.rollback()
        return None

    def _in_use(self) -> LentTransaction:
        self._expect(_Stage.OPEN)
        assert self._lent is not None
        return self._lent

    def _expect(self, stage: _Stage) -> None:
        if self._stage is stage:
            return
        what = {
            _Stage.NOT_ENTERED: "has not begun: use 'async with ctx.transaction() as tx'",
            _Stage.OPEN: "is open already",
            _Stage.LEFT: "was left: use it inside its block only",
            _Stage.ROLLED_BACK: "was rolled back, because its block was left by an error",
            _Stage.OVER: "is over, and so is the attempt: its time was up, its run was stopped, or it has ended",
        }[self._stage]
        raise StorageError(f"The transaction of step {self._step_key!r} {what}.")


class StepTransaction:
    """``async with ctx.transaction() as tx`` in async handlers, ``with ctx.transaction() as tx`` in sync ones.

    Leaving the block does not commit: the engine does, together with the completion of the step, when the handler
    returns a result, defers or skips. Leaving it by an error undoes what was written.
    """

    __slots__ = ("_attempt", "_loop")

    def __init__(self, attempt: AttemptTransaction, loop: asyncio.AbstractEventLoop) -> None:
        self._attempt = attempt
        self._loop = loop

    async def __aenter__(self) -> Transaction:
        await self._attempt.enter()
        return Transaction(self._attempt)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._attempt.leave(with_error=error is not None)

    def __enter__(self) -> BlockingTransaction:
        transaction = BlockingTransaction(self._attempt, self._loop)
        transaction.wait_for(self._attempt.enter())
        return transaction

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        BlockingTransaction(self._attempt, self._loop).wait_for(self._attempt.leave(with_error=error is not None))


class Transaction:
    """What an async handler writes through."""

    __slots__ = ("_attempt",)

    def __init__(self, attempt: AttemptTransaction) -> None:
        self._attempt = attempt

    async def execute(self, statement: Any, parameters: Any = None) -> Rows:
        """Run one statement: SQL text with ``:name`` parameters, or a SQLAlchemy construct. ``parameters`` is a
        mapping, or a list of them to run it once for each. Raises the database's errors as SQLAlchemy gives them."""
        return await self._attempt.execute(statement, parameters)

    async def run(self, work: Callable[[Any], T]) -> T:
        """Result of ``work(connection)``: a function that may block, with a SQLAlchemy connection, on another thread.
        It must neither commit nor roll back; ``connection.begin_nested()`` and sessions on it are fine."""
        return await self._attempt.run(work)


class BlockingTransaction:
    """What a sync handler, on its thread, writes through."""

    __slots__ = ("_attempt", "_loop")

    def __init__(self, attempt: AttemptTransaction, loop: asyncio.AbstractEventLoop) -> None:
        self._attempt = attempt
        self._loop = loop

    def execute(self, statement: Any, parameters: Any = None) -> Rows:
        """See :meth:`Transaction.execute`."""
        return self.wait_for(self._attempt.execute(statement, parameters))

    def run(self, work: Callable[[Any], T]) -> T:
        """See :meth:`Transaction.run`. ``work`` runs on another thread than the handler."""
        return self.wait_for(self._attempt.run(work))

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the engine's event loop and block until it is done."""
        if _is_running_here(self._loop):
            work.close()
            raise RuntimeError(
                "A blocking transaction would stop the event loop; write 'async with ctx.transaction() as tx' here."
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def lender_of(connection: object) -> AttemptTransaction | None:
    """The transaction behind what a handler holds, for those who want to write into it."""
    return connection._attempt if isinstance(connection, (Transaction, BlockingTransaction)) else None
