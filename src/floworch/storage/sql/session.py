"""What a store holds while it is open: connections and the threads that use them."""

from __future__ import annotations

from sqlalchemy import URL, Engine
from sqlalchemy.engine import Dialect

from floworch.errors import ConfigurationError, StorageUnavailable
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.handler_desk import HandlerDesk
from floworch.storage.sql.lane import Lane
from floworch.storage.sql.listener import Listener
from floworch.storage.sql.transaction import Transactions

__all__ = ["Session"]


_MOST_CALLERS = 64
"""Blocking connections of the application that are written on at once."""


class Session:
    """Connects when the first transaction runs. Raises ``ConfigurationError`` when the database's driver is missing."""

    def __init__(self, dialect: SqlDialect, url: URL, *, retry_seconds: float) -> None:
        self._desk: HandlerDesk | None = None
        self._is_closed = False
        self._dialect = dialect
        self._url = url
        self._retry_seconds = retry_seconds
        self._engine = _connect(dialect, url, dialect.writer_threads + dialect.reader_threads)
        self.transactions = Transactions(self._engine, dialect, retry_seconds=retry_seconds)
        self.writer = Lane("floworch-sql-write", dialect.writer_threads)
        self.reader = Lane("floworch-sql-read", dialect.reader_threads)
        self.caller = Lane("floworch-sql-caller", _MOST_CALLERS)
        self.listener: Listener | None = None

    @property
    def sql_dialect(self) -> Dialect:
        """SQLAlchemy's own words for the database."""
        return self._engine.dialect

    @property
    def desk(self) -> HandlerDesk:
        """Where handlers get their transactions; made when the first one asks."""
        if self._is_closed:
            raise StorageUnavailable("The storage is closed; make a new one to go on.")
        if self._desk is None:
            self._desk = self._make_desk()
        return self._desk

    def _make_desk(self) -> HandlerDesk:
        engine = _connect(self._dialect, self._url, self._dialect.handler_connections)
        return HandlerDesk(engine, self._dialect, retry_seconds=self._retry_seconds)

    def close(self) -> None:
        """Finish what is under way, end the threads and close every connection. Blocks. Safe to call twice."""
        self._is_closed = True
        self.writer.close()
        self.reader.close()
        self.caller.close()
        if self._desk is not None:
            self._desk.close()
        self._engine.dispose()


def _connect(dialect: SqlDialect, url: URL, connections: int) -> Engine:
    try:
        return dialect.connect(url, connections)
    except ImportError as error:
        raise ConfigurationError(
            f"The driver of {url.drivername!r} cannot be loaded: {error}. Install it with "
            f"`pip install 'floworch[{dialect.name}]'`."
        ) from error
