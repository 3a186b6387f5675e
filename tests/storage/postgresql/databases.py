"""Roles, stores and looks into databases, for tests of what only PostgreSQL has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from floworch.errors import StorageError
from floworch.storage.sql import SqlStorage
from tests.servers.postgresql import BY_PASSWORD

__all__ = ["PASSWORD", "conninfo", "new_role", "opened", "refusal", "schema_of", "until"]

PASSWORD = "sesame-0pen"


def conninfo(url: URL) -> str:
    """For psycopg. Not as a URL: libpq takes a ``+`` in one for a plus, SQLAlchemy for a blank."""
    place = url.translate_connect_args(username="user", database="dbname")
    return make_conninfo(**{**place, **url.query})


def new_role(admin: psycopg.Connection, url: URL) -> URL:
    """URL of the database for a new role, which may log in with its password and no more."""
    name = f"role_{uuid4().hex[:12]}"
    admin.execute(
        f"DO $$ BEGIN CREATE ROLE {BY_PASSWORD}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {BY_PASSWORD}".encode()
    )
    return url.set(username=name, password=PASSWORD)


@asynccontextmanager
async def opened(url: URL | str, **options: Any) -> AsyncIterator[SqlStorage]:
    """A store that is open for a while."""
    store = SqlStorage.postgresql(url, **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def refusal(url: URL | str, **options: Any) -> StorageError:
    """The error with which a store refuses to open."""
    try:
        async with opened(url, **options):
            pass
    except StorageError as error:
        return error
    raise AssertionError("the store has opened")


def schema_of(admin: psycopg.Connection, schema: str = "floworch") -> list[tuple[Any, ...]]:
    """All that makes up the schema: columns in their order, constraints, indexes, settings of tables."""
    return [row for question in _OF_SCHEMA for row in admin.execute(question, {"schema": schema}).fetchall()]


async def until(admin: psycopg.Connection, question: str) -> None:
    """Wait until the server answers the question with true."""
    async with asyncio.timeout(30):
        while admin.execute(question.encode()).fetchall() != [(True,)]:  # noqa: ASYNC110 - a server sets no event
            await asyncio.sleep(0.01)


_OF_SCHEMA = (
    """
    SELECT table_name, ordinal_position, column_name, data_type, collation_name, column_default, is_nullable
    FROM information_schema.columns WHERE table_schema = %(schema)s ORDER BY 1, 2
    """,
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace ORDER BY 1, 2
    """,
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = %(schema)s ORDER BY 1, 2",
    """
    SELECT relname, relkind::text, reloptions
    FROM pg_class WHERE relnamespace = %(schema)s::regnamespace ORDER BY 1
    """,
)
