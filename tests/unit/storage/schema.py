"""The DDL of the tables as SQLAlchemy would write it for each database."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.dialects.mssql import MssqlDialect
from floworch.storage.sql.dialects.postgresql import PostgresqlDialect
from floworch.storage.sql.dialects.sqlite import SqliteDialect

__all__ = ["DIALECTS", "create_script", "sqlalchemy_dialect", "with_schema_placeholder"]

DIALECTS = ("sqlite", "postgresql", "mssql")

_CREATE_SCHEMA = {
    "sqlite": [],
    # Not "CREATE SCHEMA IF NOT EXISTS", which takes the right to create it even where it exists.
    "postgresql": [
        'DO $$ BEGIN IF to_regnamespace(\'"{schema}"\') IS NULL THEN CREATE SCHEMA "{schema}"; END IF; END $$'
    ],
    "mssql": ["IF SCHEMA_ID('{schema}') IS NULL EXEC('CREATE SCHEMA [{schema}]')"],
}


def with_schema_placeholder(name: str) -> SqlDialect:
    """The dialect with its tables in the schema that migration files name."""
    made: dict[str, SqlDialect] = {
        "sqlite": SqliteDialect(),
        "postgresql": PostgresqlDialect(schema="{schema}"),
        "mssql": MssqlDialect(schema="{schema}"),
    }
    return made[name]


def sqlalchemy_dialect(name: str) -> Dialect:
    """SQLAlchemy's own dialect, which needs no driver to compile."""
    return make_url(f"{name}://").get_dialect()()


def create_script(name: str) -> str:
    """All tables and indexes, in the form of a migration file."""
    dialect = sqlalchemy_dialect(name)
    statements = list(_CREATE_SCHEMA[name])
    for table in with_schema_placeholder(name).tables().metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    return "\n\n".join(f"{_tidy(statement)};" for statement in statements) + "\n"


def _tidy(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines())
