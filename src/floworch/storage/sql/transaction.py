"""Transactions: begun the dialect's way, done again when another one was in the way, errors turned into ours."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from floworch.errors import CommitUnclear, StorageError, StorageTimeout, StorageUnavailable
from floworch.storage.sql.dialects.base import SqlDialect, Trouble

__all__ = ["Transactions", "diagnosed", "is_broken", "storage_error"]

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5
_MOST_CONNECTIONS = 3


class Transactions:
    """Runs functions of a connection, each one in a transaction of its own. Blocks: call it on the store's threads."""

    def __init__(self, engine: Engine, dialect: SqlDialect, *, retry_seconds: float) -> None:
        self._engine = engine
        self._dialect = dialect
        self._retry_seconds = retry_seconds
        self._target = dialect.describe(engine.url)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` and commit. It runs again, from the start, when another transaction got in its way, and when its
        connection turns out to be broken before the commit.

        Raises CommitUnclear when the connection breaks during the commit.
        """
        return self._retry(_Way(self._dialect.begin_write, commits=True), work)

    def write_anyway(self, work: Callable[[Connection], T]) -> T:
        """The same for work that may be done twice: it is, when a commit is unclear."""
        return self._retry(_Way(self._dialect.begin_write, commits=True, may_repeat=True), work)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which sees one state of the database and changes nothing."""
        return self._retry(_Way(self._dialect.begin_read, self._dialect.reading_options), work)

    def ask(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which is a single question."""
        options = self._dialect.asking_options
        return self._retry(_Way(_begin_nothing, options), work) if options else self.read(work)

    def _retry(self, way: _Way, work: Callable[[Connection], T]) -> T:
        give_up_at = time.monotonic() + self._retry_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        connections = 0
        while True:
            try:
                return self._run(way, work)
            except _Broken as error:
                connections += 1
                if connections == _MOST_CONNECTIONS:
                    raise StorageUnavailable(str(error)) from error.__cause__
                continue  # with a new one: SQLAlchemy throws away all that are as old as the broken one
            except _InTheWay as error:
                if time.monotonic() >= give_up_at:
                    raise StorageUnavailable(str(error)) from error.__cause__
            time.sleep(pause_seconds * random.uniform(0.5, 1.0))
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _run(self, way: _Way, work: Callable[[Connection], T]) -> T:
        with self._errors(), self._engine.connect() as connection:
            connection.execution_options(**way.options)
            way.begin(connection)
            result = work(connection)
            if way.commits:
                self._commit(connection, way)
            return result

    def _commit(self, connection: Connection, way: _Way) -> None:
        try:
            with self._errors():
                connection.commit()
        except _Broken as error:
            if way.may_repeat:
                raise
            raise CommitUnclear(f"the connection broke during a commit, which may have happened: {error}") from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._ours(error) from error
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> Exception:
        trouble, message = diagnosed(error, self._dialect, self._target)
        if is_broken(error):
            return _Broken(message)
        return _KINDS[trouble](message)


def diagnosed(error: Exception, dialect: SqlDialect, target: str) -> tuple[Trouble, str]:
    """What an error of SQLAlchemy or of the driver means; see :meth:`SqlDialect.diagnose`."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return dialect.diagnose(cause, target)


def is_broken(error: Exception) -> bool:
    """Whether the error has broken the connection."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def storage_error(trouble: Trouble, message: str) -> StorageError:
    """The error for work that cannot be done again from here."""
    kind = _KINDS[trouble]
    return kind(message) if issubclass(kind, StorageError) else StorageUnavailable(message)


def _begin_nothing(connection: Connection) -> None:
    return None


@dataclass(frozen=True, slots=True)
class _Way:
    """How to run a transaction."""

    begin: Callable[[Connection], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    commits: bool = False
    may_repeat: bool = False


class _Broken(Exception):
    """The connection is, and nothing was committed over it."""


class _InTheWay(Exception):
    """Another transaction was; the work may be done again."""


_KINDS: Mapping[Trouble, type[Exception]] = {
    Trouble.RETRY: _InTheWay,
    Trouble.TIMEOUT: StorageTimeout,
    Trouble.UNAVAILABLE: StorageUnavailable,
    Trouble.OTHER: StorageError,
}
