"""The SQL of all databases, for review.

``python -m pytest tests/unit/storage --update-golden`` writes the files anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Executable, SelectBase
from sqlalchemy.engine import Dialect

from floworch.core.model.status import RunStatus
from floworch.core.ports.clock import SystemClock
from floworch.core.ports.storage import RunFilter
from floworch.storage.sql import limits, schedules
from floworch.storage.sql.cursor import Cursor
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.dialects.mssql import MssqlDialect
from floworch.storage.sql.dialects.postgresql import PostgresqlDialect
from floworch.storage.sql.dialects.sqlite import SqliteDialect
from floworch.storage.sql.due_schedules import look_question
from floworch.storage.sql.limit_use import held_question, use_question
from floworch.storage.sql.notices import notices_question
from floworch.storage.sql.retention import ended_runs, orphaned_keys
from floworch.storage.sql.runs import runs_page
from floworch.storage.sql.statements import bulk_statements
from floworch.storage.sql.survey import moved_runs, moved_steps
from floworch.storage.sql.waiting import due_question, ready_question
from tests.unit.storage.schema import sqlalchemy_dialect

FOLDER = Path(__file__).parent / "golden"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = UUID(int=1)
WAYS: dict[str, tuple[SqlDialect, Dialect]] = {
    "sqlite": (SqliteDialect(), sqlalchemy_dialect("sqlite")),
    "postgresql": (PostgresqlDialect(), sqlalchemy_dialect("postgresql")),
    "mssql": (MssqlDialect(), sqlalchemy_dialect("mssql")),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_statements_are_as_reviewed(name: str, update_golden: bool) -> None:
    file = FOLDER / f"{name}.sql"
    text = everything(*WAYS[name])
    if update_golden:
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), "review the difference, then run again with --update-golden"


def everything(dialect: SqlDialect, sqlalchemy: Dialect) -> str:
    tables = dialect.tables()
    parts = {f"bulk: {key}": dialect.prepare(spec).sql for key, spec in bulk_statements(tables).items()}
    queries: dict[str, Executable] = {
        "survey: runs": moved_runs(tables, [ID]),
        "survey: steps": moved_steps(tables, [ID], ["a"]),
        "retention: runs": ended_runs(tables, NOW, 10),
        "retention: keys": orphaned_keys(tables, NOW, 10),
        "schedules: what is due": look_question(tables, 10, [ID]),
        "retention: ticks": schedules.old_ticks(tables, NOW, 10),
        "notices": notices_question(tables, 10, [ID]),
        "ready": ready_question(tables, 10, frozenset({"Work"}), [ID]),
        "ready: keys passed over": ready_question(tables, 10, frozenset({"Work"}), [ID], {ID: ["full"]}),
        "limits: rules, locked": limits.locked_rules(tables, ["flow:1"], dialect.lease_clock(SystemClock())),
        "limits: running": held_question(tables),
        "limits: use": use_question(tables, dialect.lease_clock(SystemClock()), waiting=True),
        "runs: page": runs_page(
            tables, RunFilter(ID, frozenset({RunStatus.FAILED}), NOW, NOW, ID), 10, Cursor(NOW, ID)
        ),
        "due": due_question(tables, NOW, dialect.lease_clock(SystemClock()), 10),
    }
    parts.update({key: compiled(query, sqlalchemy) for key, query in queries.items()})
    return "\n".join(f"-- {key}\n{tidy(text)};\n" for key, text in parts.items())


def compiled(query: Executable, sqlalchemy: Dialect) -> str:
    assert isinstance(query, SelectBase)
    return str(query.compile(dialect=sqlalchemy))


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
