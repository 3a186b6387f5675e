"""Brings a database to the schema of this version of floworch, or says why it cannot be used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Table, func, insert, inspect, select
from sqlalchemy.engine import Dialect

from floworch.errors import StorageUnavailable
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.migrations.files import Migration, load_migrations
from floworch.storage.sql.tables import Tables

__all__ = ["check_schema", "migrate", "schema_versions", "sql_script"]

_TRANSACTION = {"mssql": " TRANSACTION"}


def migrate(connection: Connection, dialect: SqlDialect, tables: Tables, now: datetime) -> list[int]:
    """Apply what is missing, in the caller's transaction. Answers with the versions that were applied.

    Any number of processes may do this at the same time: one does the work while the others wait.
    """
    dialect.check_server(connection)
    dialect.lock_schema(connection)
    migrations = load_migrations(dialect.name)
    present = _version(connection, tables.migration)
    _refuse_newer(present, migrations)
    missing = [migration for migration in migrations if migration.version > present]
    for migration in missing:
        for statement in migration.statements(tables.metadata.schema):
            connection.exec_driver_sql(statement)
        connection.execute(
            insert(tables.migration).values(version=migration.version, name=migration.name, applied_at=now)
        )
    return [migration.version for migration in missing]


def check_schema(connection: Connection, dialect: SqlDialect, tables: Tables) -> bool:
    """Whether the schema is up to date.

    Raises:
        StorageUnavailable: the schema is from a newer floworch.
    """
    present, newest = schema_versions(connection, dialect, tables)
    return present == newest


def schema_versions(connection: Connection, dialect: SqlDialect, tables: Tables) -> tuple[int, int]:
    """The version that the database has, 0 without tables, and the newest one. Raises as :func:`check_schema`."""
    dialect.check_server(connection)
    migrations = load_migrations(dialect.name)
    present = _version(connection, tables.migration)
    _refuse_newer(present, migrations)
    return present, migrations[-1].version


def sql_script(dialect: SqlDialect, sql_dialect: Dialect, tables: Tables, *, after_version: int = 0) -> str:
    """What :func:`migrate` would run on a database at ``after_version``, for people who run DDL themselves.

    One transaction: it is done as a whole, and a second time it is refused as a whole. Empty when nothing is missing.
    """
    missing = [migration for migration in load_migrations(dialect.name) if migration.version > after_version]
    if not missing:
        return ""
    parts = [f"BEGIN{_TRANSACTION.get(dialect.name, '')};"]
    for migration in missing:
        parts.append(f"-- {migration.version:04} {migration.name}")
        parts += [f"{statement};" for statement in migration.statements(tables.metadata.schema)]
        parts.append(_record(migration, dialect.name, tables.migration, sql_dialect))
    return "\n\n".join([*parts, "COMMIT;"]) + "\n"


def _record(migration: Migration, dialect_name: str, table: Table, sql_dialect: Dialect) -> str:
    present = {
        "sqlite": "CAST(strftime('%s', 'now') AS INTEGER) * 1000000",
        "mssql": "SYSDATETIMEOFFSET()",
    }.get(dialect_name, "CURRENT_TIMESTAMP")
    name = sql_dialect.identifier_preparer.format_table(table)
    return (
        f"INSERT INTO {name} (version, name, applied_at)\nVALUES ({migration.version}, '{migration.name}', {present});"
    )


def _version(connection: Connection, table: Table) -> int:
    if not inspect(connection).has_table(table.name, schema=table.schema):
        return 0
    return connection.execute(select(func.max(table.c.version))).scalar() or 0


def _refuse_newer(present: int, migrations: list[Migration]) -> None:
    newest = migrations[-1].version
    if present > newest:
        raise StorageUnavailable(
            f"The database has schema version {present}, but this floworch knows versions up to {newest}: a newer "
            "floworch has migrated it. Upgrade floworch in this process, or use another database."
        )
