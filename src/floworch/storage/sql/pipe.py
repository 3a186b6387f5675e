"""Connections that take many statements at once and are used on the event loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["BEGIN", "COMMIT", "ROLLBACK", "Answer", "Order", "Pipe", "PipeBroken", "Pipes", "Unsuited"]


class Order(NamedTuple):
    """A statement and its parameters, in the words of the database's protocol."""

    text: str
    parameters: Sequence[Any] = ()


BEGIN, COMMIT, ROLLBACK = Order("BEGIN"), Order("COMMIT"), Order("ROLLBACK")


class Answer(NamedTuple):
    """What became of an order: the number of rows written, and the first column of those that it returned."""

    written: int
    values: Sequence[bytes | None] = ()


class Unsuited(Exception):
    """These rows cannot be one order."""


class PipeBroken(Exception):
    """The connection is. Whether the last orders were carried out nobody knows."""


class Pipe(ABC):
    @abstractmethod
    async def exchange(self, orders: Sequence[Order]) -> list[Answer]:
        """Send all orders, then wait for all answers: one round trip. Orders after one that fails are not carried out.

        Raises PipeBroken or the driver's error for the order that failed. After that, and when it is cancelled, the
        transaction is undone.
        """

    async def transact(self, orders: Sequence[Order]) -> None:
        """Carry out all orders as one transaction, in one round trip, if the pipe can. Raises as :meth:`exchange` does;
        after an error of the driver's nothing was committed. When it is cancelled, nobody knows."""
        raise NotImplementedError


class Pipes(ABC):
    """A few pipes, connected when they are needed. Who comes when all are in use waits."""

    most: int
    errors: type[Exception]
    """The driver's."""
    can_transact: bool = False
    """Whether pipes have :meth:`Pipe.transact`, and statements :meth:`Statement.strict_order`."""

    @abstractmethod
    async def take(self) -> Pipe | None:
        """One that was not broken a moment ago; None where pipes do not work. Raises the driver's error when the
        database does not answer."""

    @abstractmethod
    def give_back(self, pipe: Pipe) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """Wait for exchanges under way and close the connections. Safe to call twice."""
