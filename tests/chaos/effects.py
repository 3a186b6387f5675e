"""What the steps of the chaos flows do to the world outside of the store, where it can be counted afterwards."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import psycopg

from floworch import NonRetryable, StepContext

__all__ = ["Effect", "EffectTable", "Effects", "EffectsUnavailable", "Ledger", "Refused"]


class EffectsUnavailable(Exception):
    """The effect may not have been had; the step is to be tried again."""


class Refused(NonRetryable):
    """A later attempt of the step has had its effect already."""


class Effect(NamedTuple):
    """One attempt's. ``executions`` is more than 1 when the attempt ran more than once; ``at`` only tables know."""

    run_id: UUID
    step_key: str
    attempt: int
    executions: int
    worker: str
    at: datetime | None = None


class Effects:
    """Where effects are had. Not abstract: handlers ask for the service of this type."""

    def have(self, ctx: StepContext) -> None:
        """Have the effect of the attempt. Blocks. Raises EffectsUnavailable, Refused."""
        raise NotImplementedError

    def all(self) -> list[Effect]:
        raise NotImplementedError

    def open_gate(self, number: int) -> None:
        """Let the attempts with this number go on that wait for it."""
        raise NotImplementedError

    def is_gate_open(self, number: int) -> bool:
        raise NotImplementedError


class Ledger(Effects):
    """A file: one appended line per effect, ``run step attempt process``; small appends are atomic."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def have(self, ctx: StepContext) -> None:
        os.write(self._file, f"{ctx.run_id} {ctx.step_key} {ctx.attempt} {os.getpid()}\n".encode())

    def all(self) -> list[Effect]:
        """A line that a kill cut short does not count."""
        executions: dict[tuple[UUID, str, int], int] = {}
        workers: dict[tuple[UUID, str, int], str] = {}
        for run_id, step_key, attempt, worker in self._lines():
            key = UUID(run_id), step_key, int(attempt)
            executions[key] = executions.get(key, 0) + 1
            workers[key] = worker
        return [Effect(*key, count, workers[key]) for key, count in executions.items()]

    def _lines(self) -> Iterator[list[str]]:
        for line in self._path.read_text().splitlines():
            words = line.split()
            if len(words) == 4:
                yield words


class EffectTable(Effects):
    """A table of PostgreSQL, reached over connections of its own, one per thread.

    It takes the attempt number as a fencing token: once it has seen an attempt of a step, it refuses earlier ones. Each
    execution of an attempt is counted.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._of_thread = threading.local()

    def create(self) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute(_TABLES)

    def have(self, ctx: StepContext) -> None:
        place = {"run": ctx.run_id, "step": ctx.step_key, "attempt": ctx.attempt}
        try:
            done = self._connection().execute(_HAVE, {**place, "worker": str(os.getpid())})
        except psycopg.OperationalError as error:
            self._of_thread.connection.close()
            self._of_thread.connection = None
            raise EffectsUnavailable(str(error)) from error
        if done.rowcount == 0:
            raise Refused(f"attempt {ctx.attempt} of {ctx.step_key} comes after a later one")

    def all(self) -> list[Effect]:
        with psycopg.connect(self._conninfo) as connection:
            return [Effect(*row) for row in connection.execute(_ALL)]

    def open_gate(self, number: int) -> None:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute("INSERT INTO chaos.gate VALUES (%s)", [number])

    def is_gate_open(self, number: int) -> bool:
        return self._connection().execute("SELECT FROM chaos.gate WHERE number = %s", [number]).rowcount > 0

    def _connection(self) -> psycopg.Connection:
        connection: psycopg.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            try:
                connection = psycopg.connect(self._conninfo, autocommit=True)
            except psycopg.OperationalError as error:
                raise EffectsUnavailable(str(error)) from error
            self._of_thread.connection = connection
        return connection


_TABLES = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.gate (number int);
CREATE TABLE chaos.fence (run_id uuid, step_key text, attempt int NOT NULL, PRIMARY KEY (run_id, step_key));
CREATE TABLE chaos.effect (
    run_id uuid, step_key text, attempt int, worker text NOT NULL, executions int NOT NULL DEFAULT 1,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (run_id, step_key, attempt)
)"""
_HAVE = """
WITH fence AS (
    INSERT INTO chaos.fence AS f VALUES (%(run)s, %(step)s, %(attempt)s)
    ON CONFLICT (run_id, step_key) DO UPDATE SET attempt = excluded.attempt WHERE f.attempt <= excluded.attempt
    RETURNING f.run_id, f.step_key, f.attempt
)
INSERT INTO chaos.effect AS e (run_id, step_key, attempt, worker)
SELECT run_id, step_key, attempt, %(worker)s FROM fence
ON CONFLICT (run_id, step_key, attempt) DO UPDATE SET executions = e.executions + 1"""
_ALL = "SELECT run_id, step_key, attempt, executions, worker, at FROM chaos.effect"
