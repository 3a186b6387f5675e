"""Looking after the schema of a database, apart from the work of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import URL

from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import SchemaVersions, StorageSchema
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.migrations.files import load_migrations
from floworch.storage.sql.migrations.runner import migrate, schema_versions, sql_script
from floworch.storage.sql.session import Session
from floworch.storage.sql.tables import Tables

__all__ = ["SqlSchema"]


class SqlSchema(StorageSchema):
    """Connects for each question and lets go again, because the store need not be open."""

    def __init__(self, url: URL, dialect: SqlDialect, tables: Tables, clock: Clock, *, retry_seconds: float) -> None:
        self._url = url
        self._dialect = dialect
        self._tables = tables
        self._clock = clock
        self._retry_seconds = retry_seconds

    @property
    def location(self) -> str:
        return self._dialect.describe(self._url)

    async def versions(self) -> SchemaVersions:
        # SQLite makes the file when it connects, and a question should leave nothing behind.
        if self._url.get_backend_name() == "sqlite" and not Path(self._url.database or "").exists():  # noqa: ASYNC240 - one stat
            return SchemaVersions(0, load_migrations(self._dialect.name)[-1].version)
        find = partial(schema_versions, dialect=self._dialect, tables=self._tables)
        async with self._session() as session:
            return SchemaVersions(*await session.reader.run(partial(session.transactions.read, find)))

    async def migrate(self) -> list[int]:
        work = partial(migrate, dialect=self._dialect, tables=self._tables, now=self._clock.now())
        async with self._session() as session:
            return await session.writer.run(partial(session.transactions.write, work))

    def script(self, after_version: int = 0) -> str:
        return sql_script(self._dialect, self._url.get_dialect()(), self._tables, after_version=after_version)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Session]:
        session = Session(self._dialect, self._url, retry_seconds=self._retry_seconds)
        try:
            yield session
        finally:
            await asyncio.to_thread(session.close)
