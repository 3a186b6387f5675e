"""The floor of PostgreSQL: asyncpg, prepared statements with array parameters."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.contender import Target
from benchmarks.contenders.journal import Journal, Transition
from benchmarks.contenders.postgresql_journal import CREATE_TABLES, columns, statement

__all__ = ["PlainAsyncpg"]


class PlainAsyncpg(Journal):
    def __init__(self, most_at_once: int, connections: int) -> None:
        super().__init__(most_at_once=most_at_once, committers=connections)
        self._connections: list[Any] = []
        self._prepared: list[Any] = []

    async def open(self, target: Target) -> None:
        asyncpg = import_module("asyncpg")
        self._connections = [await asyncpg.connect(target.url) for _ in range(self.committers)]
        await self._connections[0].execute(CREATE_TABLES)
        text = statement([f"${place}" for place in range(1, 8)])
        self._prepared = [await connection.prepare(text) for connection in self._connections]
        self.start()

    async def close(self) -> None:
        await self.stop()
        for connection in self._connections:
            await connection.close()

    async def write(self, committer: int, transitions: Sequence[Transition]) -> None:
        await self._prepared[committer].fetchval(*columns(transitions))
