"""Starting and killing the chaos application, and reading what it left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

__all__ = ["Effect", "Worker", "effects", "wait_for_effects"]

_PATIENCE_SECONDS = 120.0


class Effect(NamedTuple):
    run_id: UUID
    step_key: str
    attempt: int


class Worker:
    """One process of the application."""

    def __init__(self, target: str, ledger: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.chaos.app", target, str(ledger), *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, line: str) -> None:
        """Block until the process has printed the line."""
        assert self._process.stdout is not None
        for printed in self._process.stdout:
            if printed.strip() == line:
                return
        raise AssertionError(f"the worker ended before it printed {line!r}: {self._errors()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def finish(self) -> None:
        """Block until the process has ended by itself, and well."""
        _, errors = self._process.communicate(timeout=_PATIENCE_SECONDS)
        assert self._process.returncode == 0, errors

    def _errors(self) -> str:
        return self._process.communicate(timeout=_PATIENCE_SECONDS)[1]


def effects(ledger: Path) -> Counter[Effect]:
    """How often each attempt had its effect. A line that the kill cut short does not count."""
    found: Counter[Effect] = Counter()
    for line in ledger.read_text().splitlines():
        words = line.split()
        if len(words) == 4:
            found[Effect(UUID(words[0]), words[1], int(words[2]))] += 1
    return found


def wait_for_effects(ledger: Path, count: int) -> None:
    """Block until so many effects were had, by whatever process."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not ledger.exists() or ledger.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, f"only {len(ledger.read_text().splitlines())} of {count} effects"
        time.sleep(0.005)
