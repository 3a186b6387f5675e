"""Looking after the schema of a database, apart from the work of the engine."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Engine

from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import SchemaVersions, StorageSchema
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.migrations.files import load_migrations
from floworch.storage.sql.migrations.runner import migrate, schema_versions, sql_script
from floworch.storage.sql.tables import Tables
from floworch.storage.sql.transaction import Transactions

__all__ = ["SqlSchema"]


class SqlSchema(StorageSchema):
    """Uses the store's own connections, on threads of asyncio's pool, because the store need not be open."""

    def __init__(
        self, url: URL, dialect: SqlDialect, engine: Engine, tables: Tables, transactions: Transactions, clock: Clock
    ) -> None:
        self._url = url
        self._dialect = dialect
        self._engine = engine
        self._tables = tables
        self._transactions = transactions
        self._clock = clock

    @property
    def location(self) -> str:
        return self._url.render_as_string(hide_password=True)

    async def versions(self) -> SchemaVersions:
        return await asyncio.to_thread(self._versions)

    async def migrate(self) -> list[int]:
        work = partial(migrate, dialect=self._dialect, tables=self._tables, now=self._clock.now())
        return await asyncio.to_thread(self._transactions.write, work)

    def script(self, after_version: int = 0) -> str:
        return sql_script(self._dialect, self._engine.dialect, self._tables, after_version=after_version)

    def _versions(self) -> SchemaVersions:
        # SQLite makes the file when it connects, and a question should leave nothing behind.
        if self._url.get_backend_name() == "sqlite" and not Path(self._url.database or "").exists():
            return SchemaVersions(0, load_migrations(self._dialect.name)[-1].version)
        find = partial(schema_versions, dialect=self._dialect, tables=self._tables)
        return SchemaVersions(*self._transactions.read(find))
