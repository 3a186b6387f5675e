"""The floor of SQLite: sqlite3 on one thread, WAL, ``synchronous=FULL``."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.contender import Target
from benchmarks.contenders.journal import CREATE_TABLES, Journal, Transition

__all__ = ["PlainSqlite"]


class PlainSqlite(Journal):
    def __init__(self, most_at_once: int) -> None:
        super().__init__(most_at_once=most_at_once, committers=1)
        self._thread = ThreadPoolExecutor(1)

    async def open(self, target: Target) -> None:
        self._connection = sqlite3.connect(target.folder / "plain.db", check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        for statement in CREATE_TABLES:
            self._connection.execute(statement.format(serial="integer"))
        self.start()

    async def close(self) -> None:
        await self.stop()
        self._thread.shutdown()
        self._connection.close()

    async def write(self, committer: int, transitions: Sequence[Transition]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, transitions)

    def _write(self, transitions: Sequence[Transition]) -> None:
        execute = self._connection.executemany
        self._connection.execute("BEGIN IMMEDIATE")
        execute("INSERT INTO run VALUES (?, 'Running')", [(t.run,) for t in transitions if t.step is None])
        steps = [(t.run, t.step, t.output) for t in transitions if t.step is not None]
        execute("INSERT INTO step VALUES (?, ?, 1, ?)", steps)
        ended = [(t.run,) for t in transitions if t.ends_run]
        execute("UPDATE run SET status = 'Succeeded' WHERE id = ?", ended)
        execute("INSERT INTO event (run_id, facts) VALUES (?, ?)", [(t.run, t.facts) for t in transitions])
        self._connection.execute("COMMIT")
