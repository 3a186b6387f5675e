"""Thousands of seeded histories of a whole cluster. ``FLOWORCH_HISTORIES=100000`` makes a soak of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from floworch.core.handlers.lookup import Handlers
from tests.simulation.cluster.history import HistoryFailed, play
from tests.simulation.cluster.logs import listened_logs
from tests.simulation.cluster.work import work_handlers

_HISTORIES = int(os.environ.get("FLOWORCH_HISTORIES", "1500"))
_FIRST = int(os.environ.get("FLOWORCH_FIRST_HISTORY", "0"))
_AT_ONCE = 100


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    with listened_logs():
        yield work_handlers()


@pytest.mark.parametrize("first", range(_FIRST, _FIRST + _HISTORIES, _AT_ONCE))
def test_nothing_is_lost_or_run_twice_whatever_dies(first: int, handlers: Handlers) -> None:
    for seed in range(first, min(first + _AT_ONCE, _FIRST + _HISTORIES)):
        try:
            play(seed, handlers)
        except HistoryFailed as failure:
            pytest.fail(f"{failure}\nreplay it with: python -m tests.simulation --seed {seed} --trace")


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_tells_the_same_history_in_every_process(hash_seed: str, handlers: Handlers) -> None:
    lines: list[str] = []
    play(7, handlers, lines.append)
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--trace"]
    replayed = subprocess.run(
        command, env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
    )
    assert len(lines) > 10
    assert replayed.stdout.splitlines()[: len(lines)] == lines
