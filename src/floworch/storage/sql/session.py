"""What a store holds while it is open: connections and the threads that use them."""

from __future__ import annotations

from sqlalchemy import URL, Engine

from floworch.errors import ConfigurationError
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.lane import Lane
from floworch.storage.sql.listener import Listener
from floworch.storage.sql.transaction import Transactions

__all__ = ["Session"]


class Session:
    """Connects when the first transaction runs. Raises ``ConfigurationError`` when the database's driver is missing."""

    def __init__(self, dialect: SqlDialect, url: URL, *, retry_seconds: float) -> None:
        self._engine = _connect(dialect, url)
        self.transactions = Transactions(self._engine, dialect, retry_seconds=retry_seconds)
        self.writer = Lane("floworch-sql-write", dialect.writer_threads)
        self.reader = Lane("floworch-sql-read", dialect.reader_threads)
        self.listener: Listener | None = None

    def close(self) -> None:
        """Finish what is under way, end the threads and close every connection. Blocks. Safe to call twice."""
        self.writer.close()
        self.reader.close()
        self._engine.dispose()


def _connect(dialect: SqlDialect, url: URL) -> Engine:
    try:
        return dialect.connect(url)
    except ImportError as error:
        raise ConfigurationError(
            f"The driver of {url.drivername!r} cannot be loaded: {error}. Install it with "
            f"`pip install 'floworch[{dialect.name}]'`."
        ) from error
