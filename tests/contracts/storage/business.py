"""A table of an application that shares its database with a store."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import sqlalchemy as sa

__all__ = ["Business"]

_ENDLESS = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


class Business:
    """Names are unique, and an orphan is refused when the transaction that wrote it commits."""

    def __init__(self, url: str | sa.URL) -> None:
        self.engine = sa.create_engine(url)
        metadata = sa.MetaData()
        name = f"business_{uuid4().hex[:12]}"
        self.table = sa.Table(
            name,
            metadata,
            sa.Column("name", sa.String(40), primary_key=True),
            sa.Column("parent", sa.String(40), sa.ForeignKey(f"{name}.name", deferrable=True, initially="DEFERRED")),
        )
        metadata.create_all(self.engine)
        self.insert = self.table.insert()
        self.insert_orphan = self.table.insert().values(parent="nobody")
        self.endless = _ENDLESS[self.engine.dialect.name]

    def names(self) -> list[str]:
        """What is committed, in order."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(self.table.c.name).order_by(self.table.c.name)).scalars())

    def add(self, name: str) -> None:
        """Write a name and commit; waits for whoever else is writing."""
        with self.engine.begin() as connection:
            connection.execute(self.insert, {"name": name})

    async def until_busy(self, working: asyncio.Task[object]) -> None:
        """Give the statement time to reach the database. A test that comes too early still passes, for less."""
        await asyncio.wait({working}, timeout=0.3)
        assert not working.done()

    def close(self) -> None:
        self.table.metadata.drop_all(self.engine)
        self.engine.dispose()
