"""Finds the advances of a batch that other commits have overtaken, and locks what the others stand on."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, Executable, select

from floworch.core.machine.transition import StepChange
from floworch.core.ports.storage import Advance
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.tables import Tables

__all__ = ["conflicting", "moved_runs", "moved_steps"]

_RUNS_PER_QUERY = 50
_KEYS_PER_QUERY = 1_000
_LOCK_HINT = "WITH (UPDLOCK, ROWLOCK)"


def conflicting(connection: Connection, tables: Tables, advances: Sequence[Advance]) -> frozenset[UUID]:
    """Runs whose revision or steps are not as their advance expects. Rows stay locked until the transaction ends."""
    lost: set[UUID] = set()
    in_order = sorted(advances, key=lambda advance: str(advance.run_id))
    for start in range(0, len(in_order), _RUNS_PER_QUERY):
        chunk = in_order[start : start + _RUNS_PER_QUERY]
        lost |= _with_moved_run(connection, tables, chunk)
        lost |= _with_moved_step(connection, tables, [advance for advance in chunk if advance.run_id not in lost])
    return frozenset(lost)


def moved_runs(tables: Tables, run_ids: Sequence[UUID]) -> Executable:
    """Asks for the revisions of runs and locks them."""
    run = tables.run
    wanted = select(run.c.id, run.c.revision).where(run.c.id.in_(run_ids)).order_by(run.c.id)
    return wanted.with_hint(run, _LOCK_HINT, "mssql").with_for_update()


def moved_steps(tables: Tables, run_ids: Sequence[UUID], keys: Sequence[str]) -> Executable:
    """Asks how steps stand and locks them; the answer may hold more than the wanted pairs of run and key."""
    step = tables.step
    wanted = select(step.c.run_id, step.c.step_key, step.c.status, step.c.attempt)
    wanted = wanted.where(step.c.run_id.in_(run_ids), step.c.step_key.in_(keys)).order_by(
        step.c.run_id, step.c.step_key
    )
    return wanted.with_hint(step, _LOCK_HINT, "mssql").with_for_update()


def _with_moved_run(connection: Connection, tables: Tables, advances: Sequence[Advance]) -> set[UUID]:
    wanted = moved_runs(tables, [advance.run_id for advance in advances])
    found = {row.id: row.revision for row in connection.execute(wanted)}
    return {advance.run_id for advance in advances if found.get(advance.run_id) != advance.expected_revision}


def _with_moved_step(connection: Connection, tables: Tables, advances: Sequence[Advance]) -> set[UUID]:
    run_ids = [advance.run_id for advance in advances]
    found: dict[tuple[UUID, str], tuple[str, int]] = {}
    for keys in chunks(sorted({key for advance in advances for key in advance.steps}), _KEYS_PER_QUERY):
        rows = connection.execute(moved_steps(tables, run_ids, keys))
        found.update({(row.run_id, row.step_key): (row.status, row.attempt) for row in rows})
    return {
        advance.run_id
        for advance in advances
        if any(found.get((advance.run_id, key)) != _expected(change) for key, change in advance.steps.items())
    }


def _expected(change: StepChange) -> tuple[str, int] | None:
    return None if change.before is None else (change.before.status, change.before.attempt)
