"""Transactions: begun the dialect's way, done again when another one was in the way, errors turned into ours."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from floworch.errors import StorageError, StorageUnavailable
from floworch.storage.sql.dialects.base import SqlDialect, Trouble

__all__ = ["Transactions"]

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.5


class Transactions:
    """Runs functions of a connection, each one in a transaction of its own. Blocks: call it on the store's threads."""

    def __init__(self, engine: Engine, dialect: SqlDialect, *, retry_seconds: float) -> None:
        self._engine = engine
        self._dialect = dialect
        self._retry_seconds = retry_seconds
        self._target = dialect.describe(engine.url)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` and commit. It runs again, from the start, when another transaction got in its way, or when the
        connection broke before the commit."""
        return self._retry(self._dialect.begin_write, work)

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which sees one state of the database and changes nothing."""
        return self._retry(self._dialect.begin_read, work)

    def ask(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which is a single question."""
        options = self._dialect.asking_options
        return (
            self._retry(self._dialect.begin_read, work) if not options else self._retry(_begin_nothing, work, options)
        )

    def _retry(
        self,
        begin: Callable[[Connection], None],
        work: Callable[[Connection], T],
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> T:
        give_up_at = time.monotonic() + self._retry_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._run(begin, work, options)
            except _InTheWay as error:
                if time.monotonic() >= give_up_at:
                    raise StorageUnavailable(str(error)) from error.__cause__
            time.sleep(pause_seconds * random.uniform(0.5, 1.0))
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _run(
        self, begin: Callable[[Connection], None], work: Callable[[Connection], T], options: Mapping[str, Any]
    ) -> T:
        with self._errors(), self._engine.connect().execution_options(**options) as connection:
            begin(connection)
            result = work(connection)
            connection.commit()
            return result

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise self._ours(error) from error
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> Exception:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        trouble, message = self._dialect.diagnose(cause, self._target)
        if trouble is Trouble.RETRY or _broke_before_commit(error):
            return _InTheWay(message)
        return StorageUnavailable(message) if trouble is Trouble.UNAVAILABLE else StorageError(message)


def _begin_nothing(connection: Connection) -> None:
    return None


def _broke_before_commit(error: Exception) -> bool:
    """Whether the connection broke while a statement ran, so that nothing can have been written. The pool has let go of
    all its connections then, and the next try begins with a new one. A COMMIT is no statement."""
    return isinstance(error, DBAPIError) and error.connection_invalidated and error.statement is not None


class _InTheWay(Exception):
    """Another transaction was, or the connection broke; the work may be done again."""
