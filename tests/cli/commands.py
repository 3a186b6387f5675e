"""Calling the command line from tests: in this process, and as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from floworch.cli.app import app

__all__ = ["APP_FILE", "IN_MEMORY", "SHARED", "Answer", "Program", "call", "call_program", "program"]

APP_FILE = Path(__file__).with_name("orders_app.py")
SHARED = f"{APP_FILE}:shared"
IN_MEMORY = f"{APP_FILE}:in_memory"
_PATIENCE_SECONDS = 60.0
"""Only a safety net: a test that takes so long has failed."""


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON documents on stdout, one per line."""
        return [json.loads(line) for line in self.out.splitlines()]


def call(*arguments: str, stdin: str | None = None) -> Answer:
    """Run a command in this process."""
    outcome = CliRunner().invoke(app, list(arguments), input=stdin, prog_name="floworch")
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return Answer(outcome.exit_code, outcome.stdout, outcome.stderr)


def call_program(*arguments: str, environment: dict[str, str] | None = None) -> Answer:
    """Run a command as a process of its own."""
    outcome = subprocess.run(
        _command(arguments),
        env=os.environ | (environment or {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    return Answer(outcome.returncode, outcome.stdout, outcome.stderr)


class Program:
    """A command that runs as a process of its own; its stderr is read line by line."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            _command(arguments),
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.seen: list[str] = []

    def read_until(self, words: str) -> str:
        """Wait for a line of stderr with these words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.seen.append(line)
            if words in line:
                return line
        raise AssertionError(f"{words!r} was never said; the process said:\n{''.join(self.seen)}")

    def end(self) -> Answer:
        """Wait until the process has ended."""
        out, err = self.process.communicate(timeout=_PATIENCE_SECONDS)
        return Answer(self.process.returncode, out, "".join(self.seen) + err)


@contextmanager
def program(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[Program]:
    """A command under way; killed in the end if it has not ended by itself."""
    running = Program(arguments, environment or {})
    guard = threading.Timer(_PATIENCE_SECONDS, running.process.kill)
    guard.start()
    try:
        yield running
    finally:
        guard.cancel()
        running.process.kill()
        running.process.communicate()


def _command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "floworch.cli", *arguments]
