"""A database with a long past and a busy present, made by the server itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from tests.contracts.storage.builders import FLOW, WORKER

__all__ = ["FAMILY", "FIRST_START", "RUNS", "begin", "fill", "past_flow", "past_run", "tenant"]

RUNS = 1_000_000
FAMILY = 60
"""Runs after the one in the middle that were made from it, and are its children."""
FIRST_START = datetime(2025, 1, 1, tzinfo=UTC)
_FLOWS = 8
_SECONDS_APART = 30


def past_run(number: int) -> tuple[UUID, datetime]:
    """Id and start of a run of the past, ``1`` to ``RUNS``."""
    return UUID(f"01880000-0000-7000-8000-{number:012x}"), FIRST_START + timedelta(seconds=number * _SECONDS_APART)


def past_flow(number: int) -> UUID:
    """Id of the flow of a run of the past."""
    return UUID(int=FLOW.int + number % _FLOWS)


def tenant(number: int) -> str:
    """Value of the tag ``tenant`` of a run of the past, every tenth of which has tags."""
    return f"tenant-{number // 10 % 1000}"


def fill(admin: psycopg.Connection, runs: int = RUNS) -> None:
    """Needs the schema, and its tables empty. One run in a thousand has failed, the others succeeded. Nobody has been
    told of the ends of the last fiftieth."""
    indexes = _take_indexes_away(admin)
    for statement in _ROWS:
        admin.execute(
            statement,
            {
                "runs": runs,
                "first": FIRST_START,
                "apart": timedelta(seconds=_SECONDS_APART),
                "parent": past_run(runs // 2)[0],
                "untold": runs - runs // 50,
                "family": FAMILY,
            },
        )
    for index in indexes:
        admin.execute(index.encode())
    admin.execute("ANALYZE")


def begin(admin: psycopg.Connection, runs: int) -> None:
    """Runs that go on, from 0: by turns their step is ready, is running, waits for a time. One in a hundred is
    suspended."""
    for statement in _PRESENT:
        admin.execute(statement, {"runs": runs, "worker": WORKER})


def _take_indexes_away(admin: psycopg.Connection) -> list[str]:
    """Building an index at the end takes a fraction of the time of keeping it up to date row by row."""
    found = admin.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'floworch' AND indexdef NOT LIKE '%%UNIQUE%%'"
    ).fetchall()
    for name, _ in found:
        admin.execute(f"DROP INDEX floworch.{name}".encode())
    return [definition for _, definition in found]


_PAST = """
    SELECT
        ('01880000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
        ('01890000-0000-7000-8000-00000000f1' || lpad(to_hex(14 + n %% 8), 2, '0'))::uuid AS flow_id,
        CASE WHEN n %% 1001 = 0 THEN 'Failed' ELSE 'Succeeded' END AS status,
        %(first)s::timestamptz + n * %(apart)s::interval AS at,
        n > %(runs)s / 2 AND n <= %(runs)s / 2 + %(family)s AS is_descended,
        n
    FROM generate_series(1, %(runs)s) AS n
"""
_ROWS = tuple(
    statement.replace("PAST", f"({_PAST}) AS past").encode()
    for statement in (
        """
        INSERT INTO floworch.run (
            id, flow_id, flow_name, flow_version, manifest_hash, trigger_key, status, revision, started_at, ended_at,
            idempotency_key, priority, body, tags, notice_at, source_run_id, parent_run_id, parent_step_key
        )
        SELECT
            id, flow_id, 'orders', '1', 'hash-1', 'manual', status, 3, at, at + interval '2 s', 'key-' || n, 0, '{}',
            CASE WHEN n %% 10 = 0 THEN '{"kind":"import","tenant":"tenant-' || n / 10 %% 1000 || '"}' END,
            CASE WHEN n > %(untold)s THEN at + interval '2 s' END,
            CASE WHEN is_descended THEN %(parent)s::uuid END, CASE WHEN is_descended THEN %(parent)s::uuid END,
            CASE WHEN is_descended THEN 'a' END
        FROM PAST
        """,
        """
        INSERT INTO floworch.run_tag (run_id, name, value, started_at)
        SELECT id, name, CASE name WHEN 'kind' THEN 'import' ELSE 'tenant-' || n / 10 %% 1000 END, at
        FROM PAST, (VALUES ('kind'), ('tenant')) AS tags (name)
        WHERE n %% 10 = 0
        """,
        """
        INSERT INTO floworch.step (
            run_id, step_key, scope, type, flow_id, priority, place, status, attempt, failures, lost, ready_at,
            started_at, ended_at, input, output, reason
        )
        SELECT
            id, 'a', '', 'Work', flow_id, 0, 0, status, 1, 0, 0, at, at, at + interval '2 s', '{}', '{}',
            CASE status WHEN 'Failed' THEN 'The card was declined.' END
        FROM PAST
        """,
        """
        INSERT INTO floworch.event (run_id, at, facts) SELECT id, at, '[{"type":"run.started"}]' FROM PAST
        """,
        """
        INSERT INTO floworch.idempotency_key (flow_id, key, run_id, created_at)
        SELECT flow_id, 'key-' || n, id, at FROM PAST
        """,
        """
        INSERT INTO floworch.payload (run_id, step_key, kind, json)
        SELECT id, 'a', 'output', '"long"' FROM PAST WHERE n %% 10 = 0
        """,
    )
)
_ACTIVE = f"""
    SELECT ('01890000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id, '{FLOW}'::uuid AS flow_id, n
    FROM generate_series(0, %(runs)s - 1) AS n
"""
_PRESENT = tuple(
    statement.replace("PRESENT", f"({_ACTIVE}) AS present").encode()
    for statement in (
        """
        INSERT INTO floworch.run (
            id, flow_id, flow_name, flow_version, manifest_hash, trigger_key, status, revision, started_at, deadline,
            priority, suspended_at
        )
        SELECT
            id, flow_id, 'orders', '1', 'hash-1', 'manual', 'Running', 1, now(), now() + interval '1 day', 0,
            CASE WHEN n %% 100 = 2 THEN now() END
        FROM PRESENT
        """,
        """
        INSERT INTO floworch.step (
            run_id, step_key, scope, type, flow_id, priority, place, status, attempt, failures, lost, ready_at, due_at,
            owner, lease_until
        )
        SELECT
            id, 'a', '', 'Work', flow_id, 0, 0, (ARRAY['Ready', 'Running', 'Pending'])[1 + n %% 3], (n %% 3 = 1)::int,
            0, 0, now(), CASE n %% 3 WHEN 2 THEN now() + interval '1 hour' END,
            CASE n %% 3 WHEN 1 THEN %(worker)s END, CASE n %% 3 WHEN 1 THEN now() + interval '1 hour' END
        FROM PRESENT
        """,
    )
)
