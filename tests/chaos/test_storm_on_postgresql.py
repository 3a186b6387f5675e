"""Thousands of runs of every shape, while processes, connections and the server die around them.

``FLOWORCH_CHAOS_RUNS`` and ``FLOWORCH_CHAOS_SEED`` choose the number of runs and the chance; both are printed.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from random import Random

import psycopg
import pytest

from tests.chaos.effects import EffectTable
from tests.chaos.flows import all_runs
from tests.chaos.processes import Worker
from tests.chaos.speech import say
from tests.chaos.storm import Storm
from tests.chaos.verdict import check_everything
from tests.servers.postgresql import PostgresqlServer

pytestmark = pytest.mark.chaos

RUNS = int(os.environ.get("FLOWORCH_CHAOS_RUNS", "2000"))
WORKERS = 4


async def test_all_runs_end_as_they_should_whatever_dies(
    chaos_server: PostgresqlServer, start_worker: Callable[..., Worker], record_figure: Callable[[str], None]
) -> None:
    seed = os.environ.get("FLOWORCH_CHAOS_SEED", secrets.token_hex(4))
    say(f"FLOWORCH_CHAOS_RUNS={RUNS} FLOWORCH_CHAOS_SEED={seed}")
    url = chaos_server.create_database().render_as_string(hide_password=False)
    effects = EffectTable(url)
    effects.create()

    def start(number: int) -> Worker:
        return start_worker(url, url, "--trigger", f"{number}:{RUNS}:{WORKERS}")

    storm = Storm(chaos_server, Random(seed), WORKERS, start)
    storm.rage([RUNS // 4, RUNS // 2], lambda: _ended(url), all_runs(RUNS), patience_seconds=60 + RUNS / 5)
    for worker in storm.calm():
        worker.wait_for("started")  # before that, it does not know how to stop
        worker.terminate()
        worker.finish()

    lost = await check_everything(url, effects.all(), runs=all_runs(RUNS), paused=frozenset(storm.ever_paused))
    _check_that_nothing_is_left(url)
    record_figure(f"chaos on PostgreSQL (seed {seed}): {RUNS} runs, {dict(storm.blows)}, {lost} attempts lost")


def _ended(url: str) -> int:
    with psycopg.connect(url) as connection:
        ended = connection.execute("SELECT count(*) FROM floworch.run WHERE status <> 'Running'").fetchone()
        assert ended is not None
        return int(ended[0])


def _check_that_nothing_is_left(url: str) -> None:
    with psycopg.connect(url) as connection:
        left = connection.execute(
            "SELECT status, lease_until IS NOT NULL, count(*) FROM floworch.step"
            " WHERE status IN ('Ready', 'Running', 'Pending') OR lease_until IS NOT NULL GROUP BY 1, 2"
        ).fetchall()
    assert left == []
