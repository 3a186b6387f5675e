"""What a process costs while nothing happens: statements, transactions, processor time, WAL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from benchmarks.bench import Bench

__all__ = ["counting_connection", "idle_costs"]

_QUERY = """
    SELECT (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
           (SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()),
           pg_current_wal_insert_lsn() - '0/0'::pg_lsn
"""
_OWN_STATEMENTS = 1
"""The first of the two looks is counted by the second."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    cpu_seconds: float
    statements: int
    transactions: int
    wal_bytes: int

    def rate_since(self, earlier: _Look, figure: str, less: int = 0) -> float:
        change: float = getattr(self, figure) - getattr(earlier, figure) - less
        return change / (self.at - earlier.at)


@asynccontextmanager
async def counting_connection(bench: Bench) -> AsyncIterator[Any]:
    """A connection to the bench's database, which counts statements from now on."""
    psycopg = import_module("psycopg")
    async with await psycopg.AsyncConnection.connect(bench.target.url, autocommit=True) as connection:
        await connection.execute("CREATE EXTENSION pg_stat_statements")
        yield connection


async def idle_costs(connection: Any, bench: Bench) -> dict[str, float]:
    """Costs while nothing happens, once what happened before has settled."""
    # In between, both would count as WAL of ours. What PostgreSQL counts may be ten seconds late.
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await asyncio.sleep(bench["settle_seconds"])
    before = await _look(connection)
    await asyncio.sleep(bench["seconds"])
    after = await _look(connection)
    return {
        "statements_per_second": after.rate_since(before, "statements", _OWN_STATEMENTS),
        "transactions_per_second": after.rate_since(before, "transactions", _OWN_STATEMENTS),
        "cpu_percent": after.rate_since(before, "cpu_seconds") * 100,
        "wal_kib_per_hour": after.rate_since(before, "wal_bytes") * 3600 / 1024,
    }


async def _look(connection: Any) -> _Look:
    found = await (await connection.execute(_QUERY)).fetchone()
    statements, transactions, wal_bytes = map(int, found)
    return _Look(time.monotonic(), time.process_time(), statements, transactions, wal_bytes)
