"""Deletes what has ended long ago, a few runs at a time.

There is no index by end: a run that ended before some time was started before it, so the index by status and start
leads to it past few others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, literal_column, select

from floworch.core.ports.storage import Deletion
from floworch.storage.sql.statements import ENDED, Statements
from floworch.storage.sql.tables import Tables

__all__ = ["count_ended", "delete_runs", "ended_runs", "orphaned_keys"]

_LOCK_HINT = "WITH (UPDLOCK, READPAST, ROWLOCK)"


def delete_runs(
    connection: Connection,
    tables: Tables,
    statements: Statements,
    ended_before: datetime,
    limit: int,
    keys_before: datetime,
) -> Deletion:
    """See :meth:`Storage.delete_runs <floworch.core.ports.storage.Storage.delete_runs>`."""
    orphans = connection.execute(orphaned_keys(tables, keys_before, limit)).all()
    statements.delete_key.apply(connection, sorted((str(row.flow_id), row.key, str(row.run_id)) for row in orphans))
    runs = connection.execute(ended_runs(tables, ended_before, limit)).all()
    ids = sorted((str(run.id),) for run in runs)
    for statement in (
        statements.delete_events,
        statements.delete_payloads,
        statements.delete_steps,
        statements.delete_signals,
        statements.delete_tags,
    ):
        statement.apply(connection, ids)
    _let_keys_go(connection, statements, runs, keys_before)
    statements.delete_run.apply(connection, ids)
    return Deletion(len(runs), len(orphans))


def count_ended(connection: Connection, tables: Tables, before: datetime) -> int:
    """See :meth:`Storage.count_ended <floworch.core.ports.storage.Storage.count_ended>`."""
    count: int = connection.execute(select(func.count()).where(*_ended_before(tables, before))).scalar_one()
    return count


def ended_runs(tables: Tables, before: datetime, limit: int) -> Select[*tuple[Any, ...]]:
    """Asks for runs that may go and locks them, but for those that somebody else has locked."""
    run = tables.run
    wanted = select(run.c.id, run.c.flow_id, run.c.idempotency_key, run.c.started_at)
    wanted = wanted.where(*_ended_before(tables, before)).limit(limit)
    return wanted.with_hint(run, _LOCK_HINT, "mssql").with_for_update(skip_locked=True)


def orphaned_keys(tables: Tables, before: datetime, limit: int) -> Select[*tuple[Any, ...]]:
    """Asks for keys that have outlived their runs for long enough, and locks them as :func:`ended_runs` does."""
    key = tables.idempotency_key
    # Written out: a partial index serves only a query that shows its condition.
    wanted = select(key.c.flow_id, key.c.key, key.c.run_id).where(key.c.outlives_run == literal_column("1"))
    wanted = wanted.where(key.c.created_at < before).limit(limit)
    return wanted.with_hint(key, _LOCK_HINT, "mssql").with_for_update(skip_locked=True)


def _let_keys_go(
    connection: Connection, statements: Statements, runs: Sequence[Row[*tuple[Any, ...]]], keys_before: datetime
) -> None:
    having_one = [run for run in runs if run.idempotency_key is not None]
    rows = {run.id: (str(run.flow_id), run.idempotency_key, str(run.id)) for run in having_one}
    old = {run.id for run in having_one if run.started_at < keys_before}
    statements.delete_key.apply(connection, sorted(row for run_id, row in rows.items() if run_id in old))
    statements.orphan_key.apply(connection, sorted(row for run_id, row in rows.items() if run_id not in old))


def _ended_before(tables: Tables, before: datetime) -> list[ColumnElement[bool]]:
    c = tables.run.c
    return [c.status.in_(ENDED), c.started_at < before, c.ended_at < before, c.tells_parent == 0]
