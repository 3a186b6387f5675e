"""The floor of PostgreSQL: psycopg 3, async, prepared statements with array parameters."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from benchmarks.contender import Target
from benchmarks.contenders.journal import Journal, Transition
from benchmarks.contenders.postgresql_journal import CREATE_TABLES, columns, statement

__all__ = ["PlainPsycopg"]


class PlainPsycopg(Journal):
    def __init__(self, most_at_once: int, connections: int) -> None:
        super().__init__(most_at_once=most_at_once, committers=connections)
        self._connections: list[Any] = []
        self._statement = statement(["%s"] * 7)

    async def open(self, target: Target) -> None:
        connect = import_module("psycopg").AsyncConnection.connect
        self._connections = [await connect(target.url, autocommit=True) for _ in range(self.committers)]
        await self._connections[0].execute(CREATE_TABLES)
        self.start()

    async def close(self) -> None:
        await self.stop()
        for connection in self._connections:
            await connection.close()

    async def write(self, committer: int, transitions: Sequence[Transition]) -> None:
        await self._connections[committer].execute(self._statement, columns(transitions), prepare=True)
