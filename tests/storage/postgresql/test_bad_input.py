"""What cannot work is refused: with the reason, with what to do, and without the password."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import ClassVar

import psycopg
import pytest
from sqlalchemy import URL

from floworch import ConfigurationError, FlowOrchestrator
from floworch.core.model.payload import Payload
from floworch.errors import StorageError, StorageUnavailable
from floworch.storage.sql import SqlStorage
from floworch.storage.sql.dialects.postgresql import PostgresqlDialect
from tests.contracts.storage.builders import create, creation
from tests.storage.postgresql.databases import PASSWORD, new_role, opened, refusal

URL_TEXT = f"postgresql://app:{PASSWORD}@127.0.0.1:5432/shop"


@pytest.fixture(autouse=True)
def no_password_in_any_log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> object:
    caplog.set_level(logging.DEBUG)
    yield
    printed = capsys.readouterr()
    assert PASSWORD not in caplog.text + printed.out + printed.err


def shown(error: BaseException) -> str:
    """Everything that anybody who catches the error may print."""
    return "".join(traceback.format_exception(error)) + repr(error)


async def test_a_wrong_password_is_told(admin: psycopg.Connection, database: URL) -> None:
    role = new_role(admin, database)
    error = await refusal(role.set(password=f"not-{PASSWORD}"))
    assert isinstance(error, StorageUnavailable)
    assert "does not accept the user or password" in str(error)
    assert f"{role.username}:***@" in str(error)
    assert PASSWORD not in shown(error)


async def test_a_missing_password_is_told(admin: psycopg.Connection, database: URL) -> None:
    role = new_role(admin, database)
    error = await refusal(f"postgresql://{role.username}@{role.host}:{role.port}/{role.database}")
    assert "asks for a password, and the URL has none" in str(error)


async def test_a_missing_database_is_told(database: URL) -> None:
    error = await refusal(database.set(database="no_such_database", password=PASSWORD))
    assert isinstance(error, StorageUnavailable)
    assert "no_such_database" in str(error)
    assert "Create it, or correct the URL" in str(error)
    assert PASSWORD not in shown(error)


async def test_a_server_that_does_not_answer_is_told(database: URL) -> None:
    error = await refusal(database.set(port=1, password=PASSWORD))
    assert isinstance(error, StorageUnavailable)
    assert "Is the server running, and are host and port right?" in str(error)
    assert PASSWORD not in shown(error)


async def test_an_unknown_host_is_told(database: URL) -> None:
    error = await refusal(database.set(host="no-such-host.invalid"))
    assert "Check the host in the URL" in str(error)


async def test_a_role_that_may_not_create_the_schema_learns_what_a_dba_can_do(
    admin: psycopg.Connection, database: URL
) -> None:
    error = await refusal(new_role(admin, database))
    assert isinstance(error, StorageUnavailable)
    assert "does not let this user create a schema" in str(error)
    assert "CREATE SCHEMA ... AUTHORIZATION" in str(error)
    assert PASSWORD not in shown(error)


async def test_a_role_that_may_create_nothing_in_the_schema_learns_what_it_takes(
    admin: psycopg.Connection, database: URL
) -> None:
    admin.execute("CREATE SCHEMA floworch")
    error = await refusal(new_role(admin, database))
    assert "GRANT USAGE ON SCHEMA, and CREATE to migrate" in str(error)


async def test_a_role_that_may_not_read_the_tables_learns_what_it_takes(
    admin: psycopg.Connection, database: URL
) -> None:
    async with opened(database):
        pass
    role = new_role(admin, database)
    admin.execute(f"GRANT USAGE ON SCHEMA floworch TO {role.username}".encode())
    error = await refusal(role)
    assert "SELECT, INSERT, UPDATE and DELETE" in str(error)


async def test_a_schema_from_a_newer_floworch_is_refused_and_left_alone(
    admin: psycopg.Connection, database: URL
) -> None:
    async with opened(database):
        pass
    admin.execute("INSERT INTO floworch.migration VALUES (99, 'future', now())")
    error = await refusal(database)
    assert isinstance(error, StorageUnavailable)
    assert "schema version 99" in str(error)
    assert "Upgrade floworch" in str(error)
    [[newest]] = admin.execute("SELECT max(version) FROM floworch.migration").fetchall()
    assert newest == 99


async def test_an_old_schema_is_refused_with_the_commands_when_migration_is_off(database: URL) -> None:
    error = await refusal(database, auto_migrate=False)
    assert isinstance(error, StorageUnavailable)
    assert "`floworch migrate TARGET`" in str(error)
    assert "`floworch migrate TARGET --sql`" in str(error)


class FromTheFuture(PostgresqlDialect):
    oldest_server: ClassVar[int] = 1_000


async def test_a_server_that_is_too_old_is_refused_and_left_alone(admin: psycopg.Connection, database: URL) -> None:
    store = SqlStorage(database, dialect=FromTheFuture())
    with pytest.raises(StorageUnavailable, match="too old: floworch needs 1000 or newer"):
        await store.open()
    assert admin.execute("SELECT to_regnamespace('floworch')").fetchall() == [(None,)]


async def test_a_database_that_cannot_hold_every_text_is_refused(admin: psycopg.Connection, database: URL) -> None:
    name = f"{database.database}_latin"
    admin.execute(f'CREATE DATABASE "{name}" ENCODING LATIN1 LOCALE "C" TEMPLATE template0'.encode())
    try:
        error = await refusal(database.set(database=name))
    finally:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
    assert "has the encoding LATIN1" in str(error)


async def test_a_standby_is_told_from_a_primary(admin: psycopg.Connection, database: URL) -> None:
    """A session that may only read is what a client sees of a standby."""
    error = await refusal(database.update_query_dict({"options": "-c default_transaction_read_only=on"}))
    assert "Connect to the primary" in str(error)


async def test_an_error_of_the_database_shows_no_payload(database: URL) -> None:
    run = creation(1, body=Payload('"diagnosis of a patient"'))
    async with opened(database) as store:
        await create(store, run)
        with pytest.raises(StorageError, match="duplicate key") as caught:
            await create(store, run)
    assert "patient" not in shown(caught.value)


async def test_a_missing_driver_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    store = SqlStorage.postgresql(URL_TEXT)
    with pytest.raises(ConfigurationError, match=r"pip install 'floworch\[postgresql\]'") as caught:
        await store.open()
    assert PASSWORD not in shown(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schema": 'x"; DROP TABLE y; --'}, "at most 58 letters"),
        ({"schema": "pg_floworch"}, "keeps for itself"),
        ({"schema": ""}, "at most 58 letters"),
        ({"schema": "x" * 59}, "at most 58 letters"),
        ({"pool_size": 2}, "at least 3 connections"),
        ({"statement_timeout_seconds": 0}, "statement_timeout_seconds is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        SqlStorage.postgresql(URL_TEXT, **options)  # type: ignore[arg-type]
    assert PASSWORD not in shown(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{PASSWORD}@host:port/shop",
        f"postgresql://app:{PASSWORD}@h1:a,h2:b/shop",
        f"postgresql://app:{PASSWORD}:5432/shop",
        f"postgresql://app:{PASSWORD}@[::1/shop",
        f"postgresql+asyncpg://app:{PASSWORD}@host/shop",
        f"postgresql+psycopg2://app:{PASSWORD}@host/shop",
    ],
)
def test_urls_that_cannot_be_read_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(ConfigurationError, match="The URL of the PostgreSQL storage") as caught:
        SqlStorage.postgresql(url)
    assert PASSWORD not in shown(caught.value)


@pytest.mark.parametrize("text", [URL_TEXT, f"postgresql:///shop?host=db1&user=app&password={PASSWORD}"])
async def test_nothing_that_floworch_shows_of_a_store_holds_the_password(text: str) -> None:
    builder = FlowOrchestrator.builder().use_postgresql(text).use_asyncio_runtime()
    orchestrator = builder.build()
    store = orchestrator.storage
    assert store.schema is not None
    looked_at = [repr(builder), repr(orchestrator), repr(store), repr(store.schema), store.schema.location]
    assert [words for words in looked_at if PASSWORD in words] == []
    assert store.schema.location.startswith("postgresql://app:***@")
