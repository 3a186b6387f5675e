"""Fills floworch's tables with finished runs, by copying one inside of the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

__all__ = ["multiply_newest_run"]

_CHUNK = 50_000
_TABLES = (("floworch_run", "run", "id"), ("floworch_step", "step", "run_id"), ("floworch_event", "event", "run_id"))


def multiply_newest_run(url: str, copies: int) -> None:
    """Add so many copies of the newest finished run, with its steps and events. Blocks, for minutes when it is a
    million."""
    engine = sa.create_engine(url)
    is_postgresql = engine.dialect.name == "postgresql"
    try:
        tables = [_reflect(engine, names[0] if not is_postgresql else names[1], is_postgresql) for names in _TABLES]
        with engine.begin() as connection:
            run_id = _newest_run(connection, tables[0])
        for start in range(0, copies, _CHUNK):
            with engine.begin() as connection:
                _copy(connection, tables, run_id, min(_CHUNK, copies - start), is_postgresql=is_postgresql)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE" if is_postgresql else "ANALYZE")
    finally:
        engine.dispose()


def _reflect(engine: sa.Engine, name: str, is_postgresql: bool) -> sa.Table:
    return sa.Table(name, sa.MetaData(), schema="floworch" if is_postgresql else None, autoload_with=engine)


def _newest_run(connection: sa.Connection, run: sa.Table) -> Any:
    finished = sa.select(run.c.id).where(run.c.status == "Succeeded").order_by(run.c.started_at.desc()).limit(1)
    return connection.execute(finished).scalar_one()


def _copy(connection: sa.Connection, tables: list[sa.Table], run_id: Any, copies: int, *, is_postgresql: bool) -> None:
    if is_postgresql:
        new_ids = f"SELECT gen_random_uuid() AS id FROM generate_series(1, {copies})"
    else:
        # A hyphenated text of 36 characters, as the store writes ids.
        word = "lower(hex(randomblob(16)))"
        new_ids = (
            "SELECT substr(w, 1, 8) || '-' || substr(w, 9, 4) || '-' || substr(w, 13, 4) || '-' || substr(w, 17, 4) "
            f"|| '-' || substr(w, 21) AS id FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            f"WHERE i < {copies}) SELECT {word} AS w FROM n)"
        )
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE copied AS {new_ids}")
    for table, (_, _, owner) in zip(tables, _TABLES, strict=True):
        connection.execute(_copy_rows(table, owner), {"run_id": run_id})
    connection.exec_driver_sql("DROP TABLE copied")


def _copy_rows(table: sa.Table, owner: str) -> sa.TextClause:
    numbered = {column.name for column in table.primary_key.columns if isinstance(column.type, sa.Integer)}
    names = [column.name for column in table.columns if column.name not in numbered]
    values = ", ".join("copied.id" if name == owner else f't."{name}"' for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    return sa.text(
        f"INSERT INTO {table.fullname} ({columns}) SELECT {values} FROM {table.fullname} AS t, copied "
        f'WHERE t."{owner}" = :run_id'
    )
