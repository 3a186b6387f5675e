"""All contenders by name: ourselves, the floors under us, our peers."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.contender import Contender, Kind, Store

__all__ = ["CONTENDERS", "floor_of", "rival_of"]

_PSYCOPG = {"psycopg": "psycopg[binary]"}
_BASIC = frozenset({"W1", "W2", "W3"})
_OURS = _BASIC | {"W4", "W5", "W6"}


def _contenders() -> list[Contender]:
    return [*_ours(), *_floors(), *_peers()]


def _ours() -> list[Contender]:
    runner = "benchmarks.contenders.ours:Floworch"
    return [
        Contender("floworch-memory", Kind.OURS, Store.MEMORY, runner, _OURS, {}, {"store": "memory"}, "floworch"),
        Contender(
            "floworch-sqlite", Kind.OURS, Store.SQLITE, runner, _OURS | {"W7"}, {}, {"store": "sqlite"}, "floworch"
        ),
        Contender(
            "floworch-postgresql",
            Kind.OURS,
            Store.POSTGRESQL,
            runner,
            _OURS | {"W7", "W8", "W9", "W10"},
            _PSYCOPG,
            {"store": "postgresql"},
            "floworch",
        ),
    ]


def _floors() -> list[Contender]:
    group = "one connection, at most 100 transitions per statement"
    single = "a pool of 8 connections, one transaction per transition"
    asyncpg = {"asyncpg": "asyncpg"}
    return [
        Contender(
            "asyncio",
            Kind.FLOOR,
            Store.MEMORY,
            "benchmarks.contenders.plain_asyncio:PlainAsyncio",
            _BASIC,
            {},
            {},
            "one asyncio task per step, outputs and events kept as JSON (orjson where it is installed)",
        ),
        Contender(
            "sqlite3-batch",
            Kind.FLOOR,
            Store.SQLITE,
            "benchmarks.contenders.plain_sqlite:PlainSqlite",
            _BASIC,
            {},
            {"most_at_once": 100},
            "sqlite3 on one thread, at most 100 transitions per transaction",
        ),
        Contender(
            "sqlite3-single",
            Kind.FLOOR,
            Store.SQLITE,
            "benchmarks.contenders.plain_sqlite:PlainSqlite",
            _BASIC,
            {},
            {"most_at_once": 1},
            "sqlite3 on one thread, one transaction per transition",
        ),
        Contender(
            "asyncpg-group",
            Kind.FLOOR,
            Store.POSTGRESQL,
            "benchmarks.contenders.plain_asyncpg:PlainAsyncpg",
            _BASIC,
            asyncpg,
            {"most_at_once": 100, "connections": 1},
            f"asyncpg, {group}",
        ),
        Contender(
            "psycopg-group",
            Kind.FLOOR,
            Store.POSTGRESQL,
            "benchmarks.contenders.plain_psycopg:PlainPsycopg",
            _BASIC,
            _PSYCOPG,
            {"most_at_once": 100, "connections": 1},
            f"psycopg, {group}",
        ),
        Contender(
            "psycopg-single",
            Kind.FLOOR,
            Store.POSTGRESQL,
            "benchmarks.contenders.plain_psycopg:PlainPsycopg",
            _BASIC,
            _PSYCOPG,
            {"most_at_once": 1, "connections": 8},
            f"psycopg, {single}",
        ),
    ]


def _peers() -> list[Contender]:
    dbos = {"dbos": "dbos"}
    runner = "benchmarks.contenders.dbos_transact:DbosTransact"
    about = "DBOS Transact, async workflows; fan-out with asyncio.gather"
    return [
        Contender("dbos-sqlite", Kind.PEER, Store.SQLITE, runner, _BASIC, dbos, {}, about, most_runs=200),
        Contender(
            "dbos-postgresql",
            Kind.PEER,
            Store.POSTGRESQL,
            runner,
            _BASIC | {"W4", "W8"},
            dbos | _PSYCOPG,
            {},
            about,
            most_runs=200,
        ),
        Contender(
            "procrastinate",
            Kind.PEER,
            Store.POSTGRESQL,
            "benchmarks.contenders.procrastinate_jobs:ProcrastinateJobs",
            frozenset({"W1", "W3"}),
            {"procrastinate": "procrastinate", **_PSYCOPG},
            {},
            "Procrastinate, each job defers the next one; 64 at once",
            most_runs=50,
        ),
        *_peers_with_servers(),
    ]


def _peers_with_servers() -> list[Contender]:
    celery = {"celery": "celery", "redis": "redis"}
    runner = "benchmarks.contenders.celery_canvas:CeleryCanvas"
    return [
        Contender(
            f"celery{suffix}",
            Kind.PEER,
            Store.REDIS,
            runner,
            _BASIC,
            celery,
            {"redis_options": options},
            f"Celery, chain and chord, one worker; Redis {durability}",
            most_runs=100,
            environment="celery",
            programs=("redis-server",),
        )
        for suffix, options, durability in (
            ("", "", "as it comes: a crash loses up to an hour"),
            ("-durable", "--appendonly yes --appendfsync always", "with appendfsync always"),
        )
    ] + [
        Contender(
            "prefect",
            Kind.PEER,
            Store.SQLITE,
            "benchmarks.contenders.prefect_flows:PrefectFlows",
            _BASIC,
            {"prefect": "prefect"},
            {},
            "Prefect 3, flows called in one process, its own server on SQLite in another",
            most_runs=10,
            environment="prefect",
        )
    ]


CONTENDERS: Mapping[str, Contender] = {contender.name: contender for contender in _contenders()}

_FLOOR = {Store.MEMORY: "asyncio", Store.SQLITE: "sqlite3-batch", Store.POSTGRESQL: "asyncpg-group"}
_RIVAL = {Store.SQLITE: "dbos-sqlite", Store.POSTGRESQL: "dbos-postgresql"}


def floor_of(store: Store) -> str | None:
    """Name of the contender that does the least that such a store allows."""
    return _FLOOR.get(store)


def rival_of(store: Store) -> str | None:
    """Name of the durable engine to compare with on such a store."""
    return _RIVAL.get(store)
